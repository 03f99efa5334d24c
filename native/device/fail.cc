#include "fail.h"

#include <cstdarg>
#include <cstdio>
#include <stdexcept>

namespace ha {

void fail(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw std::runtime_error(text);
}

}  // namespace ha
