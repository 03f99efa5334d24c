// The kernels for the GPU, each op call on the device's own memory: on a GPU, or (simt) played by the processor under several
// orders of threads and blocks, which must all give the same bits. NATIVE_TEST_SCHEDULES: how many of them (1 to 8).
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include "../device/library.h"
#include "../device/widen.h"
#include "levels.h"
#ifdef HA_SIMT
#include "../device/gpu/simt.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#endif

namespace ha {
namespace gpu {
const LibraryTable& libraryTable();
}
namespace {

struct DeviceContext final : Context {
  Hardware* hardware = nullptr;
  int threads() const override { return 1; }
  void run(int64_t chunks, void (*body)(void*, int64_t), void* data) override {
    for (int64_t chunk = 0; chunk < chunks; chunk++) body(data, chunk);
  }
  void* scratch(size_t) override { return nullptr; }
  void* chunkScratch(size_t) override { return nullptr; }
};

/// An op's operands, by their place in the host's memory: one that is passed twice stays one.
struct Operands : EachField {
  struct Operand {
    size_t bytes = 0;
    bool read = false, written = false;
    void* device = nullptr;
    std::vector<char> result;
  };
  std::map<void*, Operand> all;
  bool replace = false;  // false: collect; true: put the device's pointers in

  template <class T> void visit(T& operand, int64_t elements, bool read, bool written) {
    constexpr bool numbers = std::is_same_v<T, In> || std::is_same_v<T, Out>;
    void* host;
    int64_t bytes;
    if constexpr (numbers) host = const_cast<void*>(operand.data), bytes = bytesOf(operand.dtype);
    else host = const_cast<std::remove_const_t<std::remove_pointer_t<T>>*>(operand), bytes = sizeof *operand;
    if (!host) return;
    if (replace) {
      if constexpr (numbers) operand.data = all[host].device;
      else operand = static_cast<T>(all[host].device);
      return;
    }
    Operand& entry = all[host];
    if (static_cast<size_t>(elements * bytes) > entry.bytes) entry.bytes = static_cast<size_t>(elements * bytes);
    entry.read |= read, entry.written |= written;
  }
  template <class T> void in(const char*, T& operand, int64_t elements) { visit(operand, elements, true, false); }
  template <class T> void optional(const char*, T& operand, int64_t elements) { visit(operand, elements, true, false); }
  template <class T> void out(const char*, T& operand, int64_t elements) { visit(operand, elements, false, true); }
  template <class T> void optionalOut(const char*, T& operand, int64_t elements) { visit(operand, elements, false, true); }
  template <class T> void update(const char*, T& operand, int64_t elements) { visit(operand, elements, true, true); }
  template <class Item> void list(const char*, std::vector<Item>& items) {
    for (Item& item : items) item.fields(*this);
  }
};

std::string readBack(Hardware& hardware, void* to, const void* from, size_t bytes, int fault) {
  std::string error;
  hardware.toHost(to, from, bytes, &fault, fault ? 1 : 0, [](void* data, const char* text) { *static_cast<std::string*>(data) = text ? text : ""; }, &error);
  hardware.finish();
  return error;
}

template <class Arguments> void runOnce(Hardware& hardware, void (*op)(Context&, const Arguments&), Arguments arguments, Operands& operands) {
  for (auto& [host, operand] : operands.all) {
    operand.device = hardware.allocate(operand.bytes + (operand.bytes == 0));
    if (!operand.device) throw std::runtime_error("out of device memory");
    if (operand.read) hardware.toDevice(operand.device, host, operand.bytes);
  }
  operands.replace = true;
  arguments.fields(operands);
  op(hardware.context(), arguments);
  const char* late = hardware.finishOp();
  std::string error = late ? late : "";
  const int fault = hardware.takeFault();
  for (auto& [host, operand] : operands.all) {
    if (operand.written && error.empty()) {
      operand.result.resize(operand.bytes);
      error = readBack(hardware, operand.result.data(), operand.device, operand.bytes, fault);
    }
    hardware.free(operand.device);
  }
  if (fault) hardware.forget(fault);
  if (!error.empty()) throw std::runtime_error(error);
}

int schedules() {
#ifdef HA_SIMT
  const char* count = std::getenv("NATIVE_TEST_SCHEDULES");
  return count && *count ? std::atoi(count) : 2;
#else
  return 2;  // the same twice: the same bits
#endif
}

void choose([[maybe_unused]] int schedule) {
#ifdef HA_SIMT
  static unsigned seed = 0;
  constexpr simt::Options kinds[] = {{simt::Order::forward, 1, 1, false}, {simt::Order::shuffle, 1, 3, true}, {simt::Order::reverse, 1, 1, true},
                                     {simt::Order::reverse, 1, 3, false}, {simt::Order::shuffle, 1, 1, false}, {simt::Order::forward, 1, 3, true},
                                     {simt::Order::shuffle, 1, 2, true},  {simt::Order::shuffle, 1, 3, false}};
  simt::options = kinds[schedule % 8];
  simt::options.seed = ++seed;
#endif
}

template <class Arguments> void run(const char* name, Context& context, void (*op)(Context&, const Arguments&), const Arguments& arguments) {
  Hardware& hardware = *static_cast<DeviceContext&>(context).hardware;
  Operands first;
  const_cast<Arguments&>(arguments).fields(first);
  const Operands fresh = first;
  choose(0);
  runOnce(hardware, op, arguments, first);
  for (int schedule = 1; schedule < schedules(); schedule++) {
    Operands again = fresh;
    choose(schedule);
    runOnce(hardware, op, arguments, again);
    for (auto& [host, operand] : again.all)
      if (operand.result != first.all[host].result) throw std::runtime_error(std::string(name) + ": the results differ between two runs, schedule " + std::to_string(schedule));
  }
  for (auto& [host, operand] : first.all)
    if (operand.written && operand.bytes) std::memcpy(host, operand.result.data(), operand.bytes);
}

Backend* real;  // the library's own rows
const Backend kStaged = {"gpu",
#define OP(name, Arguments) [](Context& context, const Arguments& arguments) { run<Arguments>(#name, context, real->name, arguments); },
#include "../ops/table.def"
#undef OP
};

}  // namespace

std::vector<Level> levels() {
  const LibraryTable& table = gpu::libraryTable();
  char why[512] = "";
  std::vector<Level> result;
  for (int index = 0; index < std::min(table.count(why, sizeof why), 1); index++)
    result.push_back({"device " + std::to_string(index), [index](const auto& body) {
                        const auto open = [index] {
                          char text[512] = "";
                          std::unique_ptr<Hardware> hardware(gpu::libraryTable().open(index, text, sizeof text));
                          if (!hardware) throw std::runtime_error(text);
                          return hardware;
                        };
                        const auto hardware = open();
                        static Backend rows = hardware->backend();
                        real = &rows;
                        DeviceContext context;
                        context.hardware = hardware.get();
                        hardware->begin();
                        Check check{kStaged, context, open};
                        check.slack = 4;
#ifdef HA_SIMT
                        check.played = true;
#endif
                        body(check);
                      }});
  if (result.empty()) std::printf("no device: %s\n", why);
  return result;
}

}  // namespace ha
