// Promises that the device's worker settles. One thread-safe function an environment; it keeps the process alive only while
// a promise is pending.
#pragma once
#include <napi.h>

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ha {

class Completions {
 public:
  explicit Completions(Napi::Env env) {
    auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
    function_ = Napi::ThreadSafeFunction::New(env, nothing, "hidden-attention", 0, 1);
    function_.Unref(env);
  }
  /// A promise for `value` (an ArrayBuffer that the worker fills); JavaScript thread.
  std::pair<uint64_t, Napi::Promise> add(Napi::Env env, Napi::ArrayBuffer value) {
    if (pending_.empty()) function_.Ref(env);
    const uint64_t id = ++last_;
    auto deferred = Napi::Promise::Deferred::New(env);
    pending_.emplace(id, Pending{deferred, Napi::Persistent(value)});
    return {id, deferred.Promise()};
  }
  /// Worker's thread; an empty error fulfils the promise.
  void settle(uint64_t id, const std::string& error) {
    bool first;
    {
      std::lock_guard lock(mutex_);
      first = settled_.empty();
      settled_.emplace_back(id, error);
    }
    if (first) function_.NonBlockingCall([this](Napi::Env env, Napi::Function) { deliver(env); });
  }
  void close() { function_.Abort(); }

 private:
  struct Pending {
    Napi::Promise::Deferred deferred;
    Napi::Reference<Napi::ArrayBuffer> value;
  };
  void deliver(Napi::Env env) {
    std::vector<std::pair<uint64_t, std::string>> settled;
    {
      std::lock_guard lock(mutex_);
      settled.swap(settled_);
    }
    for (auto& [id, error] : settled) {
      auto found = pending_.find(id);
      if (found == pending_.end()) continue;
      Pending pending = std::move(found->second);
      pending_.erase(found);
      if (error.empty()) pending.deferred.Resolve(pending.value.Value());
      else pending.deferred.Reject(Napi::Error::New(env, error).Value());
    }
    if (pending_.empty()) function_.Unref(env);
  }
  Napi::ThreadSafeFunction function_;
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t last_ = 0;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, std::string>> settled_;
};

}  // namespace ha
