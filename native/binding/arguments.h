// From one JavaScript call to one argument struct. JavaScript writes the call's arguments, in the order of the op's
// `fields`, as doubles into one shared array: sizes and numbers as they are, tensors as handles, 0 for an absent one.
#pragma once
#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>
#include "../device/queue.h"

namespace ha {

/// Tensors by number. A handle names its slot and how often the slot was used, so that a stale one is recognised.
class Handles {
 public:
  double add(BufferRef buffer) {
    if (free_.empty()) free_.push_back(slots_.size()), slots_.emplace_back();
    const size_t index = free_.back();
    free_.pop_back();
    slots_[index].buffer = std::move(buffer);
    return static_cast<double>(slots_[index].uses) * kSlots + static_cast<double>(index);
  }
  const BufferRef& get(double handle) const {
    static const BufferRef none;
    if (!(handle > 0)) return none;
    const auto whole = static_cast<uint64_t>(handle), index = whole % kSlots;
    return index < slots_.size() && slots_[index].uses == whole / kSlots ? slots_[index].buffer : none;
  }
  BufferRef remove(double handle) {
    if (!get(handle)) return nullptr;
    Slot& slot = slots_[static_cast<uint64_t>(handle) % kSlots];
    slot.uses++;
    free_.push_back(static_cast<uint64_t>(handle) % kSlots);
    return std::move(slot.buffer);
  }

 private:
  static constexpr uint64_t kSlots = uint64_t{1} << 26;
  struct Slot {
    BufferRef buffer;
    uint64_t uses = 1;
  };
  std::vector<Slot> slots_;
  std::vector<size_t> free_;
};

/// Fills an argument struct from the shared array and checks memory: the one place where that is done.
class ReadArguments {
 public:
  ReadArguments(const char* op, const double* frame, const Handles& handles) : op_(op), frame_(frame), handles_(handles) {}
  std::vector<BufferRef> reads, writes;

  void size(const char* name, int64_t& value) { if ((value = whole(name)) < 0) refuse(name, "is " + std::to_string(value) + "; a size is not negative"); }
  void index(const char* name, int64_t& value) { value = whole(name); }
  void number(const char*, float& value) { value = static_cast<float>(*frame_++); }
  void flag(const char*, bool& value) { value = *frame_++ != 0; }
  void kind(const char* name, int32_t& value) { value = static_cast<int32_t>(whole(name)); }
  template <class T> void in(const char* name, T& operand, int64_t elements) { take(name, operand, elements, true, &reads); }
  template <class T> void optional(const char* name, T& operand, int64_t elements) { take(name, operand, elements, false, &reads); }
  template <class T> void out(const char* name, T& operand, int64_t elements) { take(name, operand, elements, true, &writes); }
  template <class T> void optionalOut(const char* name, T& operand, int64_t elements) { take(name, operand, elements, false, &writes); }
  template <class T> void update(const char* name, T& operand, int64_t elements) {
    take(name, operand, elements, true, &writes);
    reads.push_back(writes.back());
  }
  template <class Item> void list(const char* name, std::vector<Item>& items) {
    const int64_t count = whole(name);
    items.resize(static_cast<size_t>(count));
    for (Item& item : items) item.fields(*this);
  }

 private:
  [[noreturn]] void refuse(const char* name, const std::string& why) const { throw std::invalid_argument(std::string(op_) + ": " + name + " " + why); }
  int64_t whole(const char* name) {
    const double value = *frame_++;
    if (value != std::floor(value) || std::fabs(value) > 9007199254740992.0) refuse(name, "is " + std::to_string(value) + "; a whole number is needed");
    return static_cast<int64_t>(value);
  }
  template <class T> void take(const char* name, T& operand, int64_t elements, bool required, std::vector<BufferRef>* list) {
    constexpr bool numbers = std::is_same_v<T, In> || std::is_same_v<T, Out>;
    constexpr DType whole = sizeof(std::remove_pointer_t<T>) == 1 ? DType::i8 : DType::i32;
    const double handle = *frame_++;
    operand = T{};
    if (handle == 0 && !required) return;
    const BufferRef& buffer = handles_.get(handle);
    if (!buffer) refuse(name, handle == 0 ? "is missing" : "was disposed of before this call");
    if (numbers ? buffer->dtype == DType::i32 || buffer->dtype == DType::i8 : buffer->dtype != whole)
      refuse(name, std::string("is ") + nameOf(buffer->dtype) + "; " + (numbers ? "f32, bf16 or f16" : nameOf(whole)) + " is needed");
    if (buffer->count < elements) refuse(name, "holds " + std::to_string(buffer->count) + " numbers; " + std::to_string(elements) + " are needed");
    list->push_back(buffer);
    if constexpr (numbers) operand = T(buffer->data, buffer->dtype);
    else operand = static_cast<T>(buffer->data);
  }

  const char* op_;
  const double* frame_;
  const Handles& handles_;
};

/// Lists an op's fields for JavaScript.
struct ListFields {
  struct Field {
    const char *name, *role;
    std::vector<Field> items;  // of a list
  };
  std::vector<Field> fields;
  void size(const char* name, int64_t&) { add(name, "size"); }
  void index(const char* name, int64_t&) { add(name, "index"); }
  void number(const char* name, float&) { add(name, "number"); }
  void flag(const char* name, bool&) { add(name, "flag"); }
  void kind(const char* name, int32_t&) { add(name, "kind"); }
  template <class T> void in(const char* name, T&, int64_t) { add(name, "in"); }
  template <class T> void optional(const char* name, T&, int64_t) { add(name, "optional"); }
  template <class T> void out(const char* name, T&, int64_t) { add(name, "out"); }
  template <class T> void optionalOut(const char* name, T&, int64_t) { add(name, "optionalOut"); }
  template <class T> void update(const char* name, T&, int64_t) { add(name, "update"); }
  template <class Item> void list(const char* name, std::vector<Item>&) {
    ListFields items;
    Item{}.fields(items);
    fields.push_back({name, "list", std::move(items.fields)});
  }

 private:
  void add(const char* name, const char* role) { fields.push_back({name, role, {}}); }
};

}  // namespace ha
