// Bytes that are written right after they are made, as those of a block are.
//
// Unlike a string's they are not set to zero before: for content that passes by
// that costs nearly as much as copying it once more. Otherwise a value like any
// other.

#ifndef WARMFS_SCHEMA_BUFFER_H_
#define WARMFS_SCHEMA_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace warmfs {

class Buffer {
 public:
  Buffer() = default;
  // So many, of any value.
  explicit Buffer(size_t size)
      : data_(std::make_unique_for_overwrite<char[]>(size)), size_(size) {}
  // A copy.
  explicit Buffer(std::string_view bytes) : Buffer(bytes.size()) {
    std::ranges::copy(bytes, data());
  }
  Buffer(const Buffer& other) : Buffer(std::string_view(other)) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    data_ = std::move(other.data_);
    size_ = other.size_;
    return *this;
  }

  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t size() const { return size_; }
  // Not more than there are.
  void Shorten(size_t size) { size_ = size; }

  operator std::string_view() const { return {data(), size_}; }
  friend bool operator==(const Buffer& a, std::string_view b) {
    return std::string_view(a) == b;
  }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
};

}  // namespace warmfs

#endif  // WARMFS_SCHEMA_BUFFER_H_
