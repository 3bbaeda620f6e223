// Stands between a client and a host, both on Unix sockets, and does to their
// connections what a bad day does: it can cut one when the request was lost, or
// when the request was carried out and only the reply was lost, and it can hold
// a reply back until the test lets it go. It passes bytes on and does not look
// into them.
//
// Thread-safe.

#ifndef WARMFS_TESTS_RPC_PROXY_H_
#define WARMFS_TESTS_RPC_PROXY_H_

#include <functional>
#include <list>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rpc/endpoint.h"
#include "schema/unique_fd.h"

namespace warmfs::rpc {

class Proxy {
 public:
  // `on_request` is called on the proxy's thread before bytes of the client are
  // passed on, while the host has nothing to do for it.
  Proxy(const std::string& path, const std::string& host_endpoint,
        std::function<void()> on_request = nullptr);
  ~Proxy();

  std::string endpoint() const { return "unix:" + path_; }

  // The next request is dropped, and its connection cut.
  void CutNextRequest() { SetRule(Rule::kCutRequest); }
  // The next request reaches the host; when the host has answered, the answer
  // is dropped and the connection cut.
  void CutNextReply() { SetRule(Rule::kCutReply); }
  // Answers wait from now on, until Release.
  void HoldReplies() { SetRule(Rule::kHold); }
  // Waits until an answer waits.
  void AwaitHeld();
  void Release() { SetRule(Rule::kPass); }

  int cuts() const;

 private:
  enum class Rule { kPass, kCutRequest, kCutReply, kHold };
  struct Link {
    UniqueFd client;
    UniqueFd host;
  };

  void SetRule(Rule rule);
  void Loop();
  bool Accept();
  // False: the connection has ended.
  bool FromClient(Link& link);
  bool FromHost(Link& link);
  // True once if that is the rule, which then ends.
  bool TakeRule(Rule rule);

  const std::string path_;
  const Endpoint host_;
  const std::function<void()> on_request_;
  UniqueFd listener_;
  UniqueFd wake_;
  mutable absl::Mutex mu_;
  Rule rule_ ABSL_GUARDED_BY(mu_) = Rule::kPass;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  int cuts_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<Link> links_;  // the thread's
  std::thread thread_;
};

}  // namespace warmfs::rpc

#endif  // WARMFS_TESTS_RPC_PROXY_H_
