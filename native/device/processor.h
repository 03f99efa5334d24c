// The machine's own processor as a device.
#pragma once
#include <memory>
#include "hardware.h"

namespace ha {

/// level: a name of cpuLevels(). nullptr for one that this binary or this processor does not have.
std::unique_ptr<Hardware> openProcessor(const char* level, int threads);

}  // namespace ha
