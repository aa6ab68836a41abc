// SPDX-License-Identifier: Apache-2.0
// The endpoints of etcd: which one is current, the gRPC channel to each, and why an endpoint cannot
// be reached. Loop thread only.
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
#include "registry/endpoint_rotation.h"
#include "registry/tls_files.h"

namespace flannel {

// A channel and the URL of its endpoint.
struct EtcdWay {
  std::shared_ptr<grpc::Channel> channel;
  std::string url;
};

class EtcdChannels {
 public:
  using Ready = std::function<void(const Result<EtcdWay>&)>;

  // The longest message in bytes; longer ones fail, so that the data of other programs cannot
  // exhaust our memory. By default etcd limits a value to about 1.5 MB, and it recommends at most
  // 10 MB.
  static constexpr int kLargestMessage = 16 << 20;

  // Needs at least one endpoint. `loop` must outlive this object. `resolver`: null to make one.
  EtcdChannels(std::vector<StoreEndpoint> endpoints, TlsSource tls,
               std::shared_ptr<Resolver> resolver, Loop& loop);
  ~EtcdChannels();

  const EndpointRotation& rotation() const { return rotation_; }
  // Passes the channel of the current endpoint to `ready`: at once, or by `sender` if its name must
  // be resolved. If that fails or takes longer than a call may take, `ready` gets the error, and
  // the next endpoint becomes current.
  void find(const LoopGate::Sender& sender, Ready ready);
  bool is_current(const std::shared_ptr<grpc::Channel>& used) const;
  // Records that an answer came over the channel `used`.
  void note_answer(const std::shared_ptr<grpc::Channel>& used);
  // Records that the endpoint of `used` failed: its channel is dropped, and the next endpoint
  // becomes current.
  void move_on(const std::shared_ptr<grpc::Channel>& used);
  // Finds out why a call failed at once on a channel that never carried an answer. Since gRPC does
  // not report the reason, an HTTP request is made to the same endpoint. Passes the reason to
  // `done`, or `error` if none was found; at once or by `sender`. Must be called before move_on().
  void explain(const EtcdWay& way, Error error, const LoopGate::Sender& sender,
               std::function<void(Error)> done);

 private:
  struct Waiting {
    LoopGate::Sender sender;
    Ready ready;
  };
  struct Endpoint {
    StoreEndpoint at;
    std::shared_ptr<grpc::Channel> channel = {};  // null before the first use and after a failure
    bool answered = false;                        // an answer came over this channel
    std::vector<Waiting> waiting = {};            // for the name to be resolved
    SubscriptionPtr deadline = {};                // of the look-up
    std::uint64_t look_up = 0;                    // number of the look-up that is awaited
  };
  struct Question {
    std::unique_ptr<HttpConnection> connection;
    SubscriptionPtr deadline;
  };

  void resolve(std::size_t index, Waiting waiting);
  void resolved(std::size_t index, const Result<Resolver::Addresses>& addresses);
  void open(Endpoint& endpoint, const Resolver::Addresses& addresses);
  Endpoint* endpoint_of(const std::shared_ptr<grpc::Channel>& used);

  std::vector<Endpoint> endpoints_;
  TlsSource tls_;
  std::shared_ptr<Resolver> resolver_;
  Loop& loop_;
  EndpointRotation rotation_;
  std::list<Question> questions_;
  LoopGate gate_;
};

}  // namespace flannel
