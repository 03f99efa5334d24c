// What JavaScript sees: `levels()`, `ops()` and the class `Device` (src/addon.ts holds its types).
#include <napi.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include "arguments.h"
#include "completions.h"

namespace ha {
namespace {

using Enqueue = void (*)(Queue&, const double* frame, const Handles&);

template <class Arguments, void (*Backend::*op)(Context&, const Arguments&)>
void enqueue(const char* name, Queue& queue, const double* frame, const Handles& handles) {
  Arguments arguments{};
  ReadArguments reader(name, frame, handles);
  arguments.fields(reader);
  const auto kernel = queue.backend().*op;
  queue.push({name, std::move(reader.reads), std::move(reader.writes), [kernel, arguments](Context& context) { kernel(context, arguments); }, {}});
}

struct Op {
  const char* name;
  Enqueue enqueue;
  std::vector<ListFields::Field> (*fields)();
};
template <class Arguments> std::vector<ListFields::Field> fieldsOf() {
  Arguments arguments{};
  ListFields list;
  arguments.fields(list);
  return list.fields;
}
const Op kOps[] = {
#define OP(name, Arguments)                                                                                                        \
  {#name, [](Queue& queue, const double* frame, const Handles& handles) { enqueue<Arguments, &Backend::name>(#name, queue, frame, handles); }, \
   fieldsOf<Arguments>},
#include "../ops/table.def"
#undef OP
};

/// Runs `body`; a C++ exception becomes a JavaScript error with the JavaScript stack.
template <class F> Napi::Value guarded(Napi::Env env, F body) {
  try {
    return body();
  } catch (const OutOfMemory& error) {
    throw Napi::RangeError::New(env, error.what());
  } catch (const std::invalid_argument& error) {
    throw Napi::TypeError::New(env, error.what());
  }
}

class Device : public Napi::ObjectWrap<Device> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Device",
                       {InstanceMethod<&Device::allocate>("allocate"), InstanceMethod<&Device::upload>("upload"), InstanceMethod<&Device::read>("read"),
                        InstanceMethod<&Device::release>("release"), InstanceMethod<&Device::run>("run"), InstanceMethod<&Device::memory>("memory"),
                        InstanceMethod<&Device::trim>("trim"), InstanceMethod<&Device::close>("close")});
  }

  /// new Device(level, threads, memoryLimit, frame: Float64Array)
  explicit Device(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Device>(info) {
    const Napi::Env env = info.Env();
    const std::string level = info[0].As<Napi::String>();
    const Backend* backend = cpuBackend(level.c_str());
    if (!backend) throw Napi::Error::New(env, "this processor or this binary has no instruction-set level \"" + level + "\"");
    size_t limit = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
    if (!limit) limit = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 100 * 95;
    frame_ = Napi::Persistent(info[3].As<Napi::Float64Array>());
    completions_ = std::make_unique<Completions>(env);
    queue_ = std::make_unique<Queue>(*backend, info[1].As<Napi::Number>().Int32Value(), limit);
    napi_add_env_cleanup_hook(env, cleanUp, this);
    env_ = env;
  }
  ~Device() override {
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
    shutDown();
  }

 private:
  static void cleanUp(void* self) { static_cast<Device*>(self)->shutDown(); }
  void shutDown() {
    if (!queue_) return;
    queue_.reset();
    completions_->close();
  }
  Queue& queue() {
    if (!queue_) throw Napi::Error::New(env_, "the device was closed");
    return *queue_;
  }
  static DType dtypeOf(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value() == 1 ? DType::i32 : DType::f32; }
  Napi::Value handle(Napi::Env env, BufferRef buffer) {
    Napi::MemoryManagement::AdjustExternalMemory(env, buffer->count * 4);
    return Napi::Number::New(env, handles_.add(std::move(buffer)));
  }

  /// allocate(dtype, count) → handle of uninitialised memory
  Napi::Value allocate(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return handle(info.Env(), queue().allocate(dtypeOf(info[0]), info[1].As<Napi::Number>().Int64Value())); });
  }

  /// upload(Float32Array | Int32Array) → handle. The array may be changed as soon as this returns.
  Napi::Value upload(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto array = info[0].As<Napi::TypedArray>();
      const DType dtype = array.TypedArrayType() == napi_int32_array ? DType::i32 : DType::f32;
      const auto* from = static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
      const size_t bytes = array.ByteLength();
      const bool large = bytes >= kDirectUpload;
      BufferRef buffer = queue().allocate(dtype, static_cast<int64_t>(array.ElementLength()), large);
      if (large) {
        std::memcpy(buffer->data, from, bytes);
      } else {
        auto staged = std::make_shared<std::vector<char>>(from, from + bytes);
        queue().push({"upload", {}, {buffer}, [staged, buffer](Context&) { std::memcpy(buffer->data, staged->data(), staged->size()); }, {}});
      }
      return handle(info.Env(), std::move(buffer));
    });
  }

  /// read(handle) → Promise<ArrayBuffer>
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const BufferRef buffer = handles_.get(info[0].As<Napi::Number>().DoubleValue());
    if (!buffer) throw Napi::TypeError::New(env, "read: the tensor was disposed of");
    Napi::ArrayBuffer target = Napi::ArrayBuffer::New(env, static_cast<size_t>(buffer->count) * 4);
    void* data = target.Data();
    Queue& device = queue();
    auto [id, promise] = completions_->add(env, target);
    device.push({"", {buffer}, {}, [buffer, data](Context&) { std::memcpy(data, buffer->data, static_cast<size_t>(buffer->count) * 4); },
                 [completions = completions_.get(), id = id](const std::string& error) { completions->settle(id, error); }});
    return promise;
  }

  /// release(handle): the memory is free for later ops; releasing twice does nothing.
  void release(const Napi::CallbackInfo& info) {
    if (!queue_) return;
    if (const BufferRef buffer = handles_.remove(info[0].As<Napi::Number>().DoubleValue())) {
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -buffer->count * 4);
      queue_->release(buffer);
    }
  }

  /// run(op): the arguments stand in the frame
  void run(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      kOps[info[0].As<Napi::Number>().Uint32Value()].enqueue(queue(), frame_.Value().Data(), handles_);
      return info.Env().Undefined();
    });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    const Memory& memory = queue().memory;
    auto result = Napi::Object::New(info.Env());
    result["live"] = static_cast<double>(memory.live());
    result["cached"] = static_cast<double>(memory.cached());
    result["peak"] = static_cast<double>(memory.peak());
    result["limit"] = static_cast<double>(memory.limit());
    if (info[0].ToBoolean()) queue().memory.resetPeak();
    return result;
  }

  /// trim(): gives the cached memory back to the system, behind the ops that are queued
  void trim(const Napi::CallbackInfo&) { queue().memory.trim(); }

  void close(const Napi::CallbackInfo&) { shutDown(); }

  static constexpr size_t kDirectUpload = 1 << 20;
  std::unique_ptr<Completions> completions_;
  std::unique_ptr<Queue> queue_;
  Handles handles_;
  Napi::Reference<Napi::Float64Array> frame_;
  napi_env env_;
};

Napi::Value levels(const Napi::CallbackInfo& info) {
  auto result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const char* const* level = cpuLevels(); *level; level++) result[count++] = Napi::String::New(info.Env(), *level);
  return result;
}

Napi::Value ops(const Napi::CallbackInfo& info) {
  auto result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const Op& op : kOps) {
    auto entry = Napi::Object::New(info.Env());
    auto fields = Napi::Array::New(info.Env());
    uint32_t number = 0;
    for (const auto& field : op.fields()) {
      auto item = Napi::Object::New(info.Env());
      item["name"] = field.name, item["role"] = field.role;
      fields[number++] = item;
    }
    entry["name"] = op.name, entry["fields"] = fields;
    result[count++] = entry;
  }
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports["levels"] = Napi::Function::New(env, levels);
  exports["ops"] = Napi::Function::New(env, ops);
  exports["Device"] = Device::define(env);
  return exports;
}

}  // namespace
}  // namespace ha

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return ha::initialise(env, exports); }
NODE_API_MODULE(hidden_attention, initialise)
