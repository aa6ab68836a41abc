// SPDX-License-Identifier: Apache-2.0
// The endpoints of etcd: which one is current, the gRPC channel to each, and why one cannot be
// reached, in the words of the HTTP client. Loop thread only.
#pragma once

#include <grpcpp/channel.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "http/resolver.h"
#include "loop/loop.h"
#include "loop/loop_gate.h"
#include "registry/endpoint.h"
#include "registry/tls_files.h"

namespace flannel {

// A channel, and where it leads.
struct EtcdWay {
  std::shared_ptr<grpc::Channel> channel;
  std::string url;
};

class EtcdChannels {
 public:
  using Ready = std::function<void(const Result<EtcdWay>&)>;

  // In bytes. Longer ones fail: what somebody stores must not become our memory, several times. A
  // single value is some 1.5 MB at most as etcd comes, and 10 MB is the most that it recommends.
  static constexpr int kLargestMessage = 16 << 20;

  // At least one endpoint; `loop` outlives it. `resolver`: nothing for one of its own.
  EtcdChannels(std::vector<EtcdEndpoint> endpoints, TlsSource tls,
               std::shared_ptr<Resolver> resolver, Loop& loop);
  ~EtcdChannels();

  std::size_t size() const { return endpoints_.size(); }
  // To the current endpoint; at once, or in a later turn if its name has to be resolved. If that
  // fails, or takes longer than a call may, the next endpoint is current and this one's error told.
  void find(Ready ready);
  bool is_current(const std::shared_ptr<grpc::Channel>& used) const;
  // An answer came over it.
  void note_answer(const std::shared_ptr<grpc::Channel>& used);
  // The endpoint behind `used` failed: its channel is not used again, and the next one is current.
  void move_on(const std::shared_ptr<grpc::Channel>& used);
  // Of a call that failed at once, on a channel that nothing ever came over: gRPC keeps the reason
  // to itself, so it is looked for by the means of HTTP. `error` itself if that finds none. In a
  // later turn, or at once. Before move_on().
  void explain(const EtcdWay& way, Error error, std::function<void(Error)> done);

 private:
  struct Endpoint {
    EtcdEndpoint at;
    std::shared_ptr<grpc::Channel> channel = {};  // nothing until used, and again after a failure
    bool answered = false;                        // over this channel
    std::vector<Ready> waiting = {};              // for the name to be resolved
    SubscriptionPtr deadline = {};                // of that
    std::uint64_t look_up = 0;                    // which one is waited for
  };
  struct Question {
    std::unique_ptr<HttpConnection> connection;
    SubscriptionPtr deadline;
  };

  void resolve(std::size_t index, Ready ready);
  void resolved(std::size_t index, const Result<Resolver::Addresses>& addresses);
  void open(Endpoint& endpoint, const Resolver::Addresses& addresses);
  Endpoint* endpoint_of(const std::shared_ptr<grpc::Channel>& used);
  void pass_over(std::size_t index);

  std::vector<Endpoint> endpoints_;
  TlsSource tls_;
  std::shared_ptr<Resolver> resolver_;
  Loop& loop_;
  std::size_t current_ = 0;
  std::list<Question> questions_;
  LoopGate gate_;
};

}  // namespace flannel
