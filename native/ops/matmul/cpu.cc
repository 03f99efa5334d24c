#include "../../device/simd.h"

namespace ha::HA_ISA {

}  // namespace ha::HA_ISA
