// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "net/address.h"

namespace flannel {
namespace {

constexpr std::chrono::seconds kResolveDeadline{5};
// An endpoint that refuses a connection does so at once.
constexpr std::chrono::seconds kExplainDeadline{2};

grpc::ChannelArguments channel_arguments(const StoreEndpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(EtcdChannels::kLargestMessage);
  // Without pings a frozen etcd is noticed only by TCP, after minutes. etcd closes connections of
  // clients that ping more often than every 5 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // how long one connect may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A failed channel is discarded, and the next one must not inherit its back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The proxy of the environment is not used: the client of etcd, and so upstream flannel, does
  // not.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // The target has addresses, but TLS and the server need the name.
  const std::string& host = endpoint.at.host;
  if (!host.empty() && !IpAddress::parse(host)) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, host + ":" + std::to_string(endpoint.at.port));
    if (endpoint.at.tls) arguments.SetSslTargetNameOverride(host);
  }
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> credentials(bool tls, const TlsMaterial& material) {
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = material.ca;  // empty: the roots of the system
  options.pem_private_key = material.key;
  options.pem_cert_chain = material.cert;
  return grpc::SslCredentials(options);
}

}  // namespace

EtcdChannels::EtcdChannels(std::vector<StoreEndpoint> endpoints, TlsSource tls,
                           std::shared_ptr<Resolver> resolver, Loop& loop)
    : tls_(std::move(tls)),
      resolver_(resolver ? std::move(resolver) : std::make_shared<Resolver>()),
      loop_(loop),
      rotation_(endpoints.size()),
      gate_(loop) {
  for (StoreEndpoint& endpoint : endpoints)
    endpoints_.push_back({.at = std::move(endpoint)});
}

EtcdChannels::~EtcdChannels() = default;

void EtcdChannels::find(const LoopGate::Sender& sender, Ready ready) {
  Endpoint& endpoint = endpoints_[rotation_.current()];
  if (endpoint.channel) return ready(EtcdWay{endpoint.channel, endpoint.at.at.url});
  const std::string& host = endpoint.at.at.host;
  if (!endpoint.at.socket.empty() || IpAddress::parse(host)) {
    open(endpoint, {host});
    return ready(EtcdWay{endpoint.channel, endpoint.at.at.url});
  }
  resolve(rotation_.current(), {sender, std::move(ready)});
}

void EtcdChannels::resolve(std::size_t index, Waiting waiting) {
  Endpoint& endpoint = endpoints_[index];
  endpoint.waiting.push_back(std::move(waiting));
  if (endpoint.deadline) return;
  const std::uint64_t turn = ++endpoint.look_up;
  const std::string& host = endpoint.at.at.host;
  endpoint.deadline = loop_.at(loop_.now() + kResolveDeadline, [this, index, host] {
    resolved(index, tl::unexpected(Resolver::too_slow(host)));
  });
  resolver_->look_up(
      host, [this, sender = gate_.sender(), index, turn](const Result<Resolver::Addresses>& found) {
        sender.post([this, index, turn, found] {
          const Endpoint& asked = endpoints_[index];
          if (asked.deadline && asked.look_up == turn) resolved(index, found);
        });
      });
}

void EtcdChannels::resolved(std::size_t index, const Result<Resolver::Addresses>& addresses) {
  Endpoint& endpoint = endpoints_[index];
  endpoint.deadline.reset();
  Result<EtcdWay> way = EtcdWay{{}, endpoint.at.at.url};
  if (addresses) {
    open(endpoint, *addresses);
    way->channel = endpoint.channel;
  } else {
    way = tl::unexpected(Error(addresses.error()).during(endpoint.at.at.url));
    rotation_.move_on(index);
  }
  // Each callback runs in a turn of its own, since it may destroy this object.
  for (Waiting& waiting : std::exchange(endpoint.waiting, {}))
    waiting.sender.post([ready = std::move(waiting.ready), way] { ready(way); });
}

void EtcdChannels::open(Endpoint& endpoint, const Resolver::Addresses& addresses) {
  const bool tls = endpoint.at.at.tls;
  const auto material = tls ? tls_.now() : std::make_shared<const TlsMaterial>();
  endpoint.channel =
      grpc::CreateCustomChannel(grpc_target(endpoint.at, addresses), credentials(tls, *material),
                                channel_arguments(endpoint.at));
  endpoint.answered = false;
}

EtcdChannels::Endpoint* EtcdChannels::endpoint_of(const std::shared_ptr<grpc::Channel>& used) {
  const auto found = std::ranges::find(endpoints_, used, &Endpoint::channel);
  return found == endpoints_.end() ? nullptr : &*found;
}

bool EtcdChannels::is_current(const std::shared_ptr<grpc::Channel>& used) const {
  return endpoints_[rotation_.current()].channel == used;
}

void EtcdChannels::note_answer(const std::shared_ptr<grpc::Channel>& used) {
  if (Endpoint* endpoint = endpoint_of(used)) endpoint->answered = true;
}

void EtcdChannels::move_on(const std::shared_ptr<grpc::Channel>& used) {
  if (!used) return;
  Endpoint* endpoint = endpoint_of(used);
  if (endpoint == nullptr) return;
  endpoint->channel.reset();
  rotation_.move_on(static_cast<std::size_t>(endpoint - endpoints_.data()));
}

void EtcdChannels::explain(const EtcdWay& way, Error error, const LoopGate::Sender& sender,
                           std::function<void(Error)> done) {
  const Endpoint* endpoint = endpoint_of(way.channel);
  if (endpoint == nullptr || endpoint->answered || !endpoint->at.socket.empty()) {
    return done(std::move(error));
  }
  const auto question = questions_.insert(questions_.end(), Question{});
  question->connection = std::make_unique<HttpConnection>(
      HttpAccess{.target = endpoint->at.at, .tls = tls_.now(), .resolver = resolver_}, false,
      loop_);
  question->deadline = loop_.at(loop_.now() + kExplainDeadline,
                                [question, error] { question->connection->cut(error); });
  HttpCall call{.method = "GET", .path = "/version", .body = {}, .content_type = {}};
  call.longest_answer = 1 << 20;
  question->connection->send(
      std::move(call),
      {.on_head = {},
       .on_end = [this, question, error = std::move(error), sender,
                  done = std::move(done)](const HttpEnd& end) mutable {
         questions_.erase(question);
         Error why = end.body ? std::move(error) : end.body.error();
         sender.post([done = std::move(done), why = std::move(why)] { done(why); });
       }});
}

}  // namespace flannel
