// Every op's arguments.
#pragma once
#include "adamw/adamw.h"
#include "attention_matrix/attention_matrix.h"
#include "cast/cast.h"
#include "causal_conv1d/causal_conv1d.h"
#include "cross_entropy/cross_entropy.h"
#include "elementwise/elementwise.h"
#include "embedding/embedding.h"
#include "layout/layout.h"
#include "matmul/matmul.h"
#include "reduce/reduce.h"
#include "rms_norm/rms_norm.h"
#include "selective_scan/selective_scan.h"
