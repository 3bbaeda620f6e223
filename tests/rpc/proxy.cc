#include "tests/rpc/proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>
#include <vector>

#include "rpc/socket.h"

namespace warmfs::rpc {
namespace {

Endpoint Parsed(const std::string& text) {
  auto endpoint = Endpoint::Parse(text);
  if (!endpoint.ok()) std::abort();
  return *endpoint;
}

// Passes on what there is; false at the end.
bool Pump(const UniqueFd& from, const UniqueFd& to) {
  char buffer[64 * 1024];
  const ssize_t n = recv(from.get(), buffer, sizeof(buffer), 0);
  if (n <= 0) return false;
  for (ssize_t done = 0; done < n;) {
    const ssize_t sent = send(to.get(), buffer + done, n - done, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    done += sent;
  }
  return true;
}

}  // namespace

Proxy::Proxy(const std::string& path, const std::string& host_endpoint,
             std::function<void()> on_request)
    : path_(path),
      host_(Parsed(host_endpoint)),
      on_request_(std::move(on_request)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  auto listener = ListenSocket(Parsed(endpoint()));
  if (!listener.ok()) std::abort();
  listener_ = *std::move(listener);
  thread_ = std::thread([this] { Loop(); });
}

Proxy::~Proxy() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  SetRule(Rule::kPass);
  thread_.join();
}

void Proxy::SetRule(Rule rule) {
  absl::MutexLock lock(&mu_);
  rule_ = rule;
  held_ = false;
  const uint64_t one = 1;
  if (write(wake_.get(), &one, sizeof(one)) < 0) std::abort();
}

void Proxy::AwaitHeld() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&held_));
}

int Proxy::cuts() const {
  absl::MutexLock lock(&mu_);
  return cuts_;
}

bool Proxy::TakeRule(Rule rule) {
  absl::MutexLock lock(&mu_);
  if (rule_ != rule) return false;
  rule_ = Rule::kPass;
  ++cuts_;
  return true;
}

bool Proxy::Accept() {
  UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  auto host = ConnectSocket(host_, absl::Seconds(5));
  // Nobody there: the client sees its connection end.
  if (!client || !host.ok()) return false;
  links_.push_back({std::move(client), *std::move(host)});
  return true;
}

bool Proxy::FromClient(Link& link) {
  if (TakeRule(Rule::kCutRequest)) return false;
  if (on_request_) on_request_();
  return Pump(link.client, link.host);
}

bool Proxy::FromHost(Link& link) {
  if (TakeRule(Rule::kCutReply)) return false;
  {
    absl::MutexLock lock(&mu_);
    if (rule_ == Rule::kHold) {
      held_ = true;
      return true;
    }
  }
  return Pump(link.host, link.client);
}

void Proxy::Loop() {
  while (true) {
    bool held;
    {
      absl::MutexLock lock(&mu_);
      if (stop_) break;
      held = held_;
    }
    std::vector<pollfd> polls = {{wake_.get(), POLLIN, 0},
                                 {listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      polls.push_back({link.client.get(), POLLIN, 0});
      // One that is held back would wake us again and again.
      polls.push_back({held ? -1 : link.host.get(), POLLIN, 0});
    }
    if (poll(polls.data(), polls.size(), -1) < 0) continue;
    uint64_t count;
    [[maybe_unused]] ssize_t n = read(wake_.get(), &count, sizeof(count));
    size_t i = 2;
    for (auto it = links_.begin(); it != links_.end(); i += 2) {
      const bool good = (polls[i].revents == 0 || FromClient(*it)) &&
                        (polls[i + 1].revents == 0 || FromHost(*it));
      it = good ? std::next(it) : links_.erase(it);
    }
    if (polls[1].revents != 0) Accept();
  }
}

}  // namespace warmfs::rpc
