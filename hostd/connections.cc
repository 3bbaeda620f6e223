#include "hostd/connections.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace warmfs::hostd {

Connections::~Connections() {
  // The list does not change any more: threads only mark their own element.
  std::list<Connection> rest;
  {
    absl::MutexLock lock(&mu_);
    for (Connection& c : connections_) {
      if (c.hang_up) c.hang_up();
    }
    for (Connection& c : connections_) mu_.Await(absl::Condition(&c.done));
    rest.swap(connections_);
  }
  for (Connection& c : rest) c.thread.join();
}

void Connections::Start(Act serve, Act hang_up) {
  Reap();
  absl::MutexLock lock(&mu_);
  if (connections_.size() >= kMost) {
    spdlog::warn("a connection was refused: there are {} already", kMost);
    return;
  }
  Connection& c = connections_.emplace_back();
  c.hang_up = std::move(hang_up);
  c.thread = std::thread([this, &c, serve = std::move(serve)]() mutable {
    serve();
    absl::MutexLock done(&mu_);
    c.hang_up = nullptr;
    c.done = true;
  });
}

void Connections::Reap() {
  std::list<Connection> gone;
  {
    absl::MutexLock lock(&mu_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto next = std::next(it);
      if (it->done) gone.splice(gone.end(), connections_, it);
      it = next;
    }
  }
  for (Connection& c : gone) c.thread.join();
}

}  // namespace warmfs::hostd
