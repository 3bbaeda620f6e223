// Owns one socket of Windows and closes it. Movable, thread-compatible.

#ifndef WARMFS_RPC_WIN32_SOCKET_H_
#define WARMFS_RPC_WIN32_SOCKET_H_

#include <winsock2.h>

#include <utility>

namespace warmfs::rpc {

class WinSocket {
 public:
  explicit WinSocket(SOCKET s) : s_(s) {}
  WinSocket(WinSocket&& other) noexcept : s_(other.Release()) {}
  WinSocket& operator=(WinSocket&& other) noexcept {
    std::swap(s_, other.s_);
    return *this;
  }
  ~WinSocket() {
    if (s_ != INVALID_SOCKET) closesocket(s_);
  }
  explicit operator bool() const { return s_ != INVALID_SOCKET; }
  SOCKET get() const { return s_; }
  SOCKET Release() { return std::exchange(s_, INVALID_SOCKET); }

 private:
  SOCKET s_;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_RPC_WIN32_SOCKET_H_
