// Runs op calls that were written elsewhere (HIDDEN_ATTENTION_TRACE, src/trace.ts) on this device and compares the results:
// replay FILE… → one line an op, and `native: N passed, N failed`.
//
// A file is a row of calls, all numbers little-endian doubles unless said otherwise: the op's name in 32 bytes; the number of
// its parts; then each part, in the order of the op's `fields`:
//   0, value                             a size, number, flag or kind
//   1, 0                                 an absent operand
//   2, dtype, bytes, 1 | 2 (which data)  an operand: its bytes before (1), after (2), each filled up to a multiple of 8
//   3, items                             a list, whose items' parts follow
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include "../test/levels.h"

namespace ha {
namespace {

struct Cursor {
  const char *at, *end;
  double number() {
    double value;
    std::memcpy(&value, take(8), 8);
    return value;
  }
  const char* take(size_t bytes) {
    if (static_cast<size_t>(end - at) < bytes) throw std::runtime_error("the file ends inside a call");
    const char* from = at;
    at += bytes;
    return from;
  }
};

/// Fills an op's arguments from a file; operands live here.
struct FromFile {
  Cursor& file;
  struct Result {
    std::string name;
    DType dtype;
    std::vector<char>* got;
    std::vector<char> want;
  };
  std::vector<std::unique_ptr<std::vector<char>>> memory;
  std::vector<Result> results;

  double plain(const char* name) {
    if (file.number() != 0) throw std::runtime_error(std::string(name) + ": a number was expected");
    return file.number();
  }
  void size(const char* name, int64_t& value) { value = static_cast<int64_t>(plain(name)); }
  void index(const char* name, int64_t& value) { value = static_cast<int64_t>(plain(name)); }
  void number(const char* name, float& value) { value = static_cast<float>(plain(name)); }
  void flag(const char* name, bool& value) { value = plain(name) != 0; }
  void kind(const char* name, int32_t& value) { value = static_cast<int32_t>(plain(name)); }
  template <class T> void operand(const char* name, T& value) {
    const double part = file.number();
    value = T{};
    const double first = file.number();
    if (part == 1) return;
    if (part != 2) throw std::runtime_error(std::string(name) + ": an operand was expected");
    const auto dtype = static_cast<DType>(static_cast<int>(first));
    const auto bytes = static_cast<size_t>(file.number());
    const int which = static_cast<int>(file.number());
    memory.push_back(std::make_unique<std::vector<char>>(bytes + 1));
    std::vector<char>& data = *memory.back();
    const size_t padded = (bytes + 7) / 8 * 8;
    if (which & 1) std::memcpy(data.data(), file.take(padded), bytes);
    if (which & 2) {
      const char* want = file.take(padded);
      results.push_back({name, dtype, &data, std::vector<char>(want, want + bytes)});
    }
    if constexpr (std::is_same_v<T, In> || std::is_same_v<T, Out>) value = T(static_cast<void*>(data.data()), dtype);
    else value = reinterpret_cast<T>(data.data());
  }
  template <class T> void in(const char* name, T& value, int64_t) { operand(name, value); }
  template <class T> void optional(const char* name, T& value, int64_t) { operand(name, value); }
  template <class T> void out(const char* name, T& value, int64_t) { operand(name, value); }
  template <class T> void optionalOut(const char* name, T& value, int64_t) { operand(name, value); }
  template <class T> void update(const char* name, T& value, int64_t) { operand(name, value); }
  template <class Item> void list(const char* name, std::vector<Item>& items) {
    if (file.number() != 3) throw std::runtime_error(std::string(name) + ": a list was expected");
    items.resize(static_cast<size_t>(file.number()));
    for (Item& item : items) item.fields(*this);
  }
};

double numberAt(const std::vector<char>& data, DType dtype, size_t i) {
  if (dtype == DType::f32) {
    float x;
    std::memcpy(&x, data.data() + 4 * i, 4);
    return x;
  }
  if (dtype == DType::i8) return static_cast<int8_t>(data[i]);
  if (dtype == DType::i32) {
    int32_t x;
    std::memcpy(&x, data.data() + 4 * i, 4);
    return x;
  }
  uint16_t bits;
  std::memcpy(&bits, data.data() + 2 * i, 2);
  if (dtype == DType::bf16) {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float x;
    std::memcpy(&x, &wide, 4);
    return x;
  }
  const int exponent = bits >> 10 & 31, low = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  return sign * (exponent == 31 ? (low ? NAN : INFINITY) : exponent ? std::ldexp(1024 + low, exponent - 25) : std::ldexp(low, -24));
}

/// The largest difference, against the largest number; what is not finite must be so on both sides.
double difference(const FromFile::Result& result, const std::vector<char>& got) {
  const size_t count = result.want.size() / static_cast<size_t>(bytesOf(result.dtype));
  double largest = 1e-6, error = 0;
  for (size_t i = 0; i < count; i++) {
    const double want = numberAt(result.want, result.dtype, i), have = numberAt(got, result.dtype, i);
    if (!std::isfinite(want) || !std::isfinite(have)) {
      if (std::isnan(want) != std::isnan(have) || (!std::isnan(want) && want != have)) return INFINITY;
      continue;
    }
    largest = std::fmax(largest, std::fabs(want)), error = std::fmax(error, std::fabs(want - have));
  }
  return error / largest;
}

struct Tally {
  int passed = 0, failed = 0;
  double worst = 0;
};

/// Orders of a backend's own (saved states) are not compared, but handed from the forward to its backward.
bool ownOrder(const std::string& operand) { return operand == "checkpoints"; }

using Saved = std::map<std::string, std::vector<char>>;

/// The saved states of the file are another device's: a forward here gives this device's own.
void runBackward(Check& check, SelectiveScanBackward b, const Saved& saved) {
  std::vector<char> y(static_cast<size_t>(b.batch * b.length * b.channels * bytesOf(b.u.dtype)) + 1);
  std::vector<float> states(static_cast<size_t>(b.batch * scanTiles(b.length) * b.channels * b.state) + 1);
  SelectiveScan forward{b.batch, b.length, b.channels, b.state, b.groups, b.softplus, b.u, b.delta, b.A, b.B, b.C, b.D, b.deltaBias, b.z, {}, b.lengths, b.starts, {}, {}, {}};
  const auto initial = saved.find("initialState");
  if (initial != saved.end() && initial->second.size() == static_cast<size_t>(b.batch * b.channels * b.state * 4))
    forward.initialState = In(initial->second.data(), DType::f32);
  forward.y = Out(y.data(), b.u.dtype);
  forward.checkpoints = Out(states.data());
  check.op.selectiveScan(check.context, forward);
  b.checkpoints = In(states.data());
  check.op.selectiveScanBackward(check.context, b);
}

template <class Arguments>
void replay(const char* name, Check& check, void (*op)(Context&, const Arguments&), Cursor& file, Tally& tally, Saved& saved) {
  Arguments arguments{};
  FromFile reader{file, {}, {}};
  arguments.fields(reader);
  if constexpr (std::is_same_v<Arguments, SelectiveScan>) {
    saved.erase("initialState");
    const char* from = static_cast<const char*>(arguments.initialState.data);
    if (from) saved["initialState"] = std::vector<char>(from, from + arguments.batch * arguments.channels * arguments.state * 4);
  }
  try {
    if constexpr (std::is_same_v<Arguments, SelectiveScanBackward>) runBackward(check, arguments, saved);
    else op(check.context, arguments);
  } catch (const std::exception& error) {
    if (tally.failed++ < 5) std::printf("FAILED %s: %s\n", name, error.what());
    return;
  }
  for (const auto& result : reader.results) {
    if (ownOrder(result.name)) continue;
    const double error = difference(result, *result.got);
    const double allowed = result.dtype == DType::bf16 ? 2e-2 : result.dtype == DType::f16 ? 4e-3 : result.dtype == DType::i32 || result.dtype == DType::i8 ? 0 : 2e-5;
    tally.worst = std::fmax(tally.worst, error);
    if (error <= allowed) tally.passed++;
    else if (tally.failed++ < 5) std::printf("FAILED %s: %s differs by %.3g of its largest number, %.3g is allowed\n", name, result.name.c_str(), error, allowed);
  }
}

}  // namespace
}  // namespace ha

int main(int argc, char** argv) {
  using namespace ha;
  std::map<std::string, Tally> tallies;
  int broken = 0;
  const auto all = levels();
  if (argc < 2 || all.empty()) {
    std::printf("usage: replay FILE…, on a machine with the device\nnative: 0 passed, 1 failed\n");
    return 1;
  }
  all.front().with([&](Check& check) {
    for (int i = 1; i < argc; i++) {
      std::ifstream stream(argv[i], std::ios::binary);
      const std::vector<char> bytes((std::istreambuf_iterator<char>(stream)), {});
      Cursor file{bytes.data(), bytes.data() + bytes.size()};
      Saved saved;
      std::string name;
      try {
        while (file.at < file.end) {
          char text[33] = {};
          std::memcpy(text, file.take(32), 32);
          name = text;
          file.number();
          bool known = false;
#define OP(row, Arguments) \
  if (!known && name == #row) replay<Arguments>(#row, check, check.op.row, file, tallies[name], saved), known = true;
#include "../ops/table.def"
#undef OP
          if (!known) throw std::runtime_error("no such op here");
        }
      } catch (const std::exception& error) {
        broken++;
        std::printf("FAILED %s in %s: %s\n", name.c_str(), argv[i], error.what());
      }
    }
  });
  int passed = 0, failed = broken;
  for (const auto& [name, tally] : tallies) {
    std::printf("%-26s %5d results, worst difference %.2g\n", name.c_str(), tally.passed + tally.failed, tally.worst);
    passed += tally.passed, failed += tally.failed;
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
