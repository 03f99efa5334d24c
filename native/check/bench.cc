// Times of the ops on this device, as JSON on stdout: cuda_bench [--small]. Shapes are those of mamba-130m and of the claims in
// native/README.md; inputs are random. A time is the median of several groups of calls, each group ended by a wait.
#include <memory>
#include "bench.h"

namespace ha {
namespace gpu {
const LibraryTable& libraryTable();
}
namespace {

template <class F> void part(Bench& b, const char* name, const F& body) {
  try {
    body();
  } catch (const std::exception& error) {
    std::string text = error.what();
    for (char& c : text)
      if (c == '"' || c == '\\' || c == '\n') c = '\'';
    b.lines.push_back("{\"name\": \"" + std::string(name) + "\", \"error\": \"" + text + "\"}");
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    b.blocks.clear();
  }
}

}  // namespace
}  // namespace ha

int main(int argc, char** argv) {
  using namespace ha;
  const LibraryTable& table = gpu::libraryTable();
  char text[512] = "";
  if (table.count(text, sizeof text) == 0) {
    std::printf("{\"error\": \"%s\"}\n", text);
    return 1;
  }
  std::unique_ptr<Hardware> hardware(table.open(0, text, sizeof text));
  if (!hardware) {
    std::printf("{\"error\": \"%s\"}\n", text);
    return 1;
  }
  char card[256] = "";
  size_t bytes = 0;
  table.describe(0, card, sizeof card, &bytes);
  Bench b(*hardware, argc > 1 && !std::strcmp(argv[1], "--small"));
  hardware->begin();
  part(b, "scans", [&] { benchScans(b); });
  part(b, "chunked scans", [&] { benchChunkedScans(b); });
  part(b, "matrices", [&] { benchMatrices(b); });
  part(b, "decode 130m", [&] { b.small ? benchDecode(b, "small", 2, 32) : benchDecode(b, "130m", 24, 768); });
  if (!b.small) part(b, "decode 2.8b", [&] { benchDecode(b, "2.8b", 64, 2560); });
  part(b, "training step", [&] { b.small ? benchTraining(b, 2, 32, 1, 20) : benchTraining(b, 24, 768, 8, 2048); });
  std::printf("{\"device\": \"%s\", \"memory\": %zu, \"figures\": [\n", card, bytes);
  for (size_t i = 0; i < b.lines.size(); i++) std::printf("  %s%s\n", b.lines[i].c_str(), i + 1 < b.lines.size() ? "," : "");
  std::printf("]}\n");
  return 0;
}
