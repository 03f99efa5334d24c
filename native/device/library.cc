#include "library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

namespace ha {
namespace {

/// The folder of this binary, wherever the process runs.
std::string ownFolder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&openLibraryDevice), &info) || !info.dli_fname) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// The library for a kind of device, loaded once, or why not.
struct Library {
  const LibraryTable* table = nullptr;
  std::string missing;
};

Library load(const std::string& kind) {
  Library library;
  if (kind == "cuda" && !dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    library.missing = "no NVIDIA driver on this machine (libcuda.so.1 was not found)";
    return library;
  }
  const char* named = std::getenv("HIDDEN_ATTENTION_CUDA_LIBRARY");
  const std::string path = kind == "cuda" && named && *named ? named : ownFolder() + "/hidden_attention_" + kind + ".so";
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    library.missing = "its library was not loaded (install @hidden-attention/native-linux-x64-cuda, or build from source with nvcc): " + std::string(dlerror());
    return library;
  }
  const auto get = reinterpret_cast<const LibraryTable* (*)()>(dlsym(handle, "hidden_attention_library"));
  if (!get || get()->abi != libraryAbi()) library.missing = path + " belongs to another version of hidden-attention; build both together";
  else library.table = get();
  return library;
}

const Library& libraryOf(const std::string& kind) {
  static const Library cuda = load("cuda"), simt = load("simt");
  return kind == "cuda" ? cuda : simt;
}

}  // namespace

std::vector<LibraryDevices> listLibraryDevices() {
  std::vector<LibraryDevices> result;
  for (const char* kind : {"cuda", "simt"}) {
    const Library& library = libraryOf(kind);
    LibraryDevices entry{kind, {}, library.missing};
    char why[512] = "";
    const int count = library.table ? library.table->count(why, sizeof why) : 0;
    if (library.table && count == 0) entry.missing = why;
    for (int i = 0; i < count; i++) {
      char text[256] = "";
      size_t memory = 0;
      library.table->describe(i, text, sizeof text, &memory);
      entry.devices.push_back({count == 1 ? kind : std::string(kind) + ":" + std::to_string(i), text, memory});
    }
    result.push_back(entry);
  }
  return result;
}

std::unique_ptr<Hardware> openLibraryDevice(const std::string& name, std::string& why) {
  const size_t colon = name.find(':');
  const std::string kind = name.substr(0, colon);
  const int index = colon == std::string::npos ? 0 : std::atoi(name.c_str() + colon + 1);
  const Library& library = libraryOf(kind);
  why = library.missing;
  if (!library.table) return nullptr;
  char text[512] = "";
  const int count = library.table->count(text, sizeof text);
  if (index < 0 || index >= count) {
    why = count == 0 ? text : "there " + std::string(count == 1 ? "is 1 device" : "are " + std::to_string(count) + " devices") + " of kind " + kind + ", numbered from 0";
    return nullptr;
  }
  std::unique_ptr<Hardware> hardware(library.table->open(index, text, sizeof text));
  if (!hardware) why = text;
  return hardware;
}

}  // namespace ha
