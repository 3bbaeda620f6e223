#include "fuse/control.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "rpc/endpoint.h"
#include "rpc/socket.h"

namespace warmfs::fuse {
namespace {

using nlohmann::json;

constexpr size_t kMaxRequestBytes = 1024 * 1024;

rpc::Endpoint UnixEndpoint(const std::string& path) {
  rpc::Endpoint endpoint;
  endpoint.kind = rpc::Endpoint::Kind::kUnix;
  endpoint.path = path;
  return endpoint;
}

bool SendLine(int fd, const json& line) {
  // Names are bytes, JSON is text: what is not UTF-8 is shown as such.
  std::string text =
      line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    rest.remove_prefix(n);
  }
  return true;
}

// Reads up to a newline; what came after it stays in `buffer`.
bool ReadLine(int fd, std::string& buffer, std::string& line, size_t limit) {
  while (true) {
    const size_t end = buffer.find('\n');
    if (end != std::string::npos) {
      line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return true;
    }
    if (buffer.size() > limit) return false;
    char chunk[16 * 1024];
    const ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    buffer.append(chunk, n);
  }
}

}  // namespace

// --- server ---

ControlServer::~ControlServer() {
  stop_ = true;
  if (listener_) shutdown(listener_.get(), SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  if (!path_.empty()) unlink(path_.c_str());
  AwaitIdle();
}

void ControlServer::AwaitIdle() {
  absl::MutexLock lock(&mu_);
  auto idle = [this]()
                  ABSL_SHARED_LOCKS_REQUIRED(mu_) { return connections_ == 0; };
  mu_.Await(absl::Condition(&idle));
}

void ControlServer::Refuse() {
  refuse_ = true;
  AwaitIdle();
}

absl::Status ControlServer::Listen(const std::string& path) {
  auto listener = rpc::ListenSocket(UnixEndpoint(path));
  if (!listener.ok()) return listener.status();
  path_ = path;
  listener_ = *std::move(listener);
  acceptor_ = std::thread([this] { AcceptLoop(); });
  return absl::OkStatus();
}

namespace {
// Ends a handler that has nobody left to answer.
struct ReaderLeft {};
}  // namespace

void ControlServer::AcceptLoop() {
  while (!stop_) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    {
      absl::MutexLock lock(&mu_);
      if (connections_ >= kMaxConnections) continue;
      ++connections_;
    }
    // Detached, and waited for by the count in the destructor.
    std::thread([this, fd = std::move(fd)]() mutable {
      Serve(std::move(fd));
      absl::MutexLock lock(&mu_);
      --connections_;
    }).detach();
  }
}

void ControlServer::Serve(UniqueFd fd) {
  std::string buffer;
  std::string line;
  // Whoever connects and says nothing is not waited for.
  timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (!ReadLine(fd.get(), buffer, line, kMaxRequestBytes)) return;
  const json request = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (refuse_ || !request.is_object()) {
    SendLine(fd.get(),
             {{"error", refuse_ ? "the mount is ending" : "not a request"}});
    return;
  }
  try {
    handler_(request, [&](const json& answer) {
      if (!SendLine(fd.get(), answer)) throw ReaderLeft();
    });
  } catch (const ReaderLeft&) {
  } catch (const json::exception& e) {
    SendLine(fd.get(), {{"error", std::string("bad request: ") + e.what()}});
  }
}

// --- where ---

absl::StatusOr<std::string> RuntimeDirectory() {
  std::string base;
  const char* xdg = getenv("XDG_RUNTIME_DIR");
  const std::string run = fmt::format("/run/user/{}", geteuid());
  if (xdg != nullptr && xdg[0] == '/') {
    base = std::string(xdg) + "/warmfs";
  } else if (geteuid() == 0) {
    base = "/run/warmfs";
  } else if (access(run.c_str(), W_OK) == 0) {
    base = run + "/warmfs";
  } else {
    base = fmt::format("/tmp/warmfs-{}", geteuid());
  }
  if (mkdir(base.c_str(), 0700) != 0 && errno != EEXIST) {
    return rpc::ErrnoStatus(errno, base);
  }
  struct stat st;
  // In /tmp anybody could have made it first.
  if (lstat(base.c_str(), &st) != 0 || !S_ISDIR(st.st_mode) ||
      st.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        base +
        " is not a directory of yours; remove it, or set "
        "XDG_RUNTIME_DIR");
  }
  return base;
}

absl::StatusOr<std::string> ControlPath(const std::string& mountpoint) {
  auto directory = RuntimeDirectory();
  if (!directory.ok()) return directory;
  return fmt::format("{}/{:016x}.sock", *directory,
                     XXH3_64bits(mountpoint.data(), mountpoint.size()));
}

std::vector<std::string> ControlPaths() {
  std::vector<std::string> paths;
  auto directory = RuntimeDirectory();
  if (!directory.ok()) return paths;
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(*directory, error)) {
    if (file.path().extension() != ".sock") continue;
    const std::string path = file.path();
    if (rpc::ConnectSocket(UnixEndpoint(path), absl::Seconds(1)).ok()) {
      paths.push_back(path);
    } else {
      unlink(path.c_str());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// --- client ---

absl::Status Ask(const std::string& control_path, const json& request,
                 const Emit& emit) {
  auto fd = rpc::ConnectSocket(UnixEndpoint(control_path), absl::Seconds(1));
  if (!fd.ok()) return absl::UnavailableError("no mount answers there");
  if (!SendLine(fd->get(), request)) {
    return absl::UnavailableError("the mount went away");
  }
  std::string buffer;
  std::string text;
  while (ReadLine(fd->get(), buffer, text, SIZE_MAX)) {
    const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (line.is_discarded()) return absl::InternalError("a garbled answer");
    if (line.contains("error")) {
      return absl::InternalError(line["error"].get<std::string>());
    }
    if (line.contains("done") && line.size() == 1) return absl::OkStatus();
    emit(line);
    if (line.contains("done")) return absl::OkStatus();
  }
  return absl::UnavailableError("the mount went away before it had answered");
}

}  // namespace warmfs::fuse
