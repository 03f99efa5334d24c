// Instructions for dot products that no instruction-set level has.
#pragma once

namespace ha {

/// Whether this processor multiplies and adds up whole numbers of 8 bits in one instruction, in vectors of so many bytes.
/// HIDDEN_ATTENTION_DOTS=0 says no.
bool int8Dots(int bytes);

}  // namespace ha
