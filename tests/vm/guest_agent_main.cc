// guest-agent PORT: runs in the guest and lets the host work there. Each
// connection is one command: the host writes it and ends its side, a shell runs
// it, and what it prints comes back, with "\nexit N\n" behind it.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

#include "rpc/socket.h"

namespace {

std::string ReadToEnd(int socket) {
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(socket, buffer, sizeof(buffer))) > 0) text.append(buffer, n);
  return text;
}

[[noreturn]] void Shell(int socket, const std::string& command) {
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  dup2(socket, 1);
  dup2(socket, 2);
  execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
  _exit(127);
}

void Serve(int socket) {
  const std::string command = ReadToEnd(socket);
  const pid_t shell = fork();
  if (shell == 0) Shell(socket, command);
  int status = 0;
  while (waitpid(shell, &status, 0) < 0 && errno == EINTR) {
  }
  dprintf(socket, "\nexit %d\n",
          WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: guest-agent PORT\n");
    return 64;
  }
  auto endpoint =
      warmfs::rpc::Endpoint::Parse(std::string("vsock:4294967295:") + argv[1]);
  if (!endpoint.ok()) {
    std::fprintf(stderr, "guest-agent: %s\n",
                 std::string(endpoint.status().message()).c_str());
    return 64;
  }
  auto listener = warmfs::rpc::ListenSocket(*endpoint);
  if (!listener.ok()) {
    std::fprintf(stderr, "guest-agent: %s\n",
                 std::string(listener.status().message()).c_str());
    return 1;
  }
  signal(SIGCHLD, SIG_IGN);
  std::puts("guest-agent: ready");
  std::fflush(stdout);
  while (true) {
    const int socket = accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    if (fork() == 0) {
      signal(SIGCHLD, SIG_DFL);
      Serve(socket);
      _exit(0);
    }
    close(socket);
  }
}
