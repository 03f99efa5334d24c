// Errors that only the data can show. They poison the op's results and reject the read that needs them (device/queue.h).
#pragma once

namespace ha {

/// Throws std::runtime_error with the formatted text, which begins with the op's name. Called on the device's own thread, after all chunks have returned.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace ha
