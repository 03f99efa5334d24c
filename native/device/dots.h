// Instructions for dot products that no instruction-set level has. HIDDEN_ATTENTION_DOTS=0: none of them; all: also those that are slow on
// this processor.
#pragma once

namespace ha {

/// Whether this processor multiplies and adds up whole numbers of 8 bits in one instruction, in vectors of so many bytes.
bool int8Dots(int bytes);
/// Whether it multiplies pairs in bf16 faster than numbers in f32, in vectors of 64 bytes: AMD's do, Intel's take twice as long.
bool bf16Dots();

}  // namespace ha
