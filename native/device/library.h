// Devices that come from libraries of their own, beside this binary: `cuda` (hidden_attention_cuda.so, with a driver) and
// `simt` (hidden_attention_simt.so: the CUDA kernels on this processor, for tests; never published).
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "hardware.h"

namespace ha {

struct LibraryDevice {
  std::string name, description;
  size_t memory;
};
struct LibraryDevices {
  std::string kind;
  std::vector<LibraryDevice> devices;
  std::string missing;  // why there is none
};
std::vector<LibraryDevices> listLibraryDevices();

/// name: "cuda", "cuda:1", "simt". nullptr, and `why`, where it is not to be had.
std::unique_ptr<Hardware> openLibraryDevice(const std::string& name, std::string& why);

/// What a library exports (extern "C", device/gpu/library.cu). It is only taken if its `abi` is this binary's own.
struct LibraryTable {
  uint64_t abi;
  /// Number of devices; where it is 0, `why` says why.
  int (*count)(char* why, size_t size);
  void (*describe)(int index, char* text, size_t size, size_t* memory);
  /// nullptr and `why` if it cannot be opened.
  Hardware* (*open)(int index, char* why, size_t size);
};
/// Changes whenever an op or its arguments do.
constexpr uint64_t libraryAbi() {
  uint64_t hash = 1469598103934665603u;
  const auto add = [&](uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
  const auto addText = [&](const char* text) { while (*text) add(static_cast<unsigned char>(*text++)); };
#define OP(name, Arguments) addText(#name), add(sizeof(Arguments));
#include "../ops/table.def"
#undef OP
  add(sizeof(Hardware)), add(sizeof(Context)), add(1);
  return hash;
}

}  // namespace ha
