// page-fetch DIR FILES: a small development server on the guest's loopback,
// which looks up and reads a file for each request, and a browser that fetches
// DIR's module0.js to module(FILES-1).js from it, one by one over one
// connection. The page is fetched twice:
//
//   first 12.3 second 4.5 bytes 1024000

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "schema/unique_fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using warmfs::UniqueFd;

constexpr std::string_view kHeadEnd = "\r\n\r\n";

[[noreturn]] void Fail(const std::string& what) {
  std::perror(("page-fetch: " + what).c_str());
  std::exit(1);
}

void SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) Fail("send");
    bytes.remove_prefix(n);
  }
}

// One end of the connection, with what was received and not used yet.
struct Stream {
  UniqueFd socket;
  std::string waiting;

  // False at the end.
  bool Fill() {
    char buffer[64 * 1024];
    const ssize_t n = recv(socket.get(), buffer, sizeof(buffer), 0);
    if (n > 0) waiting.append(buffer, n);
    return n > 0;
  }

  // A head, with its end; empty at the end of the connection.
  std::string TakeHead() {
    size_t end;
    while ((end = waiting.find(kHeadEnd)) == std::string::npos) {
      if (!Fill()) return "";
    }
    return Take(end + kHeadEnd.size());
  }

  std::string Take(size_t bytes) {
    while (waiting.size() < bytes) {
      if (!Fill()) Fail("the server has gone");
    }
    std::string taken = waiting.substr(0, bytes);
    waiting.erase(0, bytes);
    return taken;
  }
};

std::string FileBytes(const std::string& path) {
  struct stat attributes;
  if (stat(path.c_str(), &attributes) != 0) Fail(path);
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes(attributes.st_size, '\0');
  if (!file || read(file.get(), bytes.data(), bytes.size()) !=
                   static_cast<ssize_t>(bytes.size())) {
    Fail(path);
  }
  return bytes;
}

void Serve(Stream stream, const std::string& directory) {
  while (true) {
    const std::string head = stream.TakeHead();
    if (head.empty()) return;
    // GET /NAME HTTP/1.1
    const size_t start = head.find('/');
    const std::string path =
        directory + head.substr(start, head.find(' ', start) - start);
    const std::string body = FileBytes(path);
    SendAll(stream.socket.get(),
            fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}{}", body.size(),
                        kHeadEnd) +
                body);
  }
}

size_t Get(Stream& stream, int number) {
  SendAll(stream.socket.get(),
          fmt::format("GET /module{}.js HTTP/1.1\r\nHost: localhost{}", number,
                      kHeadEnd));
  const std::string head = stream.TakeHead();
  constexpr std::string_view kLength = "Content-Length: ";
  const size_t at = head.find(kLength);
  if (at == std::string::npos) Fail("the server has gone");
  return stream.Take(std::stoul(head.substr(at + kLength.size()))).size();
}

double FetchPage(Stream& stream, int files, size_t& bytes) {
  const Clock::time_point began = Clock::now();
  bytes = 0;
  for (int i = 0; i < files; ++i) bytes += Get(stream, i);
  return std::chrono::duration<double, std::milli>(Clock::now() - began)
      .count();
}

UniqueFd TcpSocket() {
  UniqueFd made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made) Fail("socket");
  return made;
}

void WithoutDelay(const UniqueFd& socket) {
  constexpr int kOn = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
}

int Run(const std::string& directory, int files) {
  const UniqueFd listener = TcpSocket();
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, length) != 0 ||
      listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), generic, &length) != 0) {
    Fail("listen");
  }
  if (fork() == 0) {
    Stream accepted = {UniqueFd(accept(listener.get(), nullptr, nullptr)), ""};
    WithoutDelay(accepted.socket);
    Serve(std::move(accepted), directory);
    _exit(0);
  }
  Stream browser = {TcpSocket(), ""};
  if (connect(browser.socket.get(), generic, length) != 0) Fail("connect");
  WithoutDelay(browser.socket);
  size_t bytes = 0;
  const double first_ms = FetchPage(browser, files, bytes);
  const double second_ms = FetchPage(browser, files, bytes);
  std::printf("first %.3f second %.3f bytes %zu\n", first_ms, second_ms, bytes);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int files = argc == 3 ? std::atoi(argv[2]) : 0;
  if (files < 1) {
    std::fprintf(stderr, "usage: page-fetch DIR FILES\n");
    return 64;
  }
  return Run(argv[1], files);
}
