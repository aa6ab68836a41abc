// SPDX-License-Identifier: Apache-2.0
#include "daemon/control.h"

#include <utility>

#include "base/log.h"
#include "daemon/ping_target.h"
#include "daemon/public_settings.h"
#include "status/metrics.h"

namespace flannel {
namespace {

HttpResponse set_log_level(std::string_view body) {
  const auto verbosity = control::read_log_level(body);
  if (!verbosity) return control::error_answer(400, verbosity.error().text);
  log::set_verbosity(*verbosity);
  log::info("verbosity changed through the control socket", {{"v", *verbosity}});
  return control::log_level_answer(*verbosity);
}

// Reading the kernel of a host with very many peers takes some hundredths of this.
constexpr Duration kBetweenComparisons = std::chrono::seconds(1);

// `at`: when the kernel was read.
HttpResponse diff_answer(const Result<Comparison>& comparison, TimePoint at) {
  if (!comparison) return control::error_answer(500, comparison.error().text);
  const Duration age = BootClock::now() - at;
  return control::diff_answer(*comparison,
                              std::chrono::duration_cast<std::chrono::milliseconds>(age));
}

}  // namespace

HttpHandler Control::handler() {
  return [this, turn = gate_.sender()](const HttpRequest& request, const HttpReply& reply) {
    auto call = control::find_call(request, owner_);
    if (!call) return reply(std::move(call).error());
    switch (*call) {
      case control::Call::networks:
        return reply(control::networks_answer(board_.current(), board_.daemon(), BootClock::now()));
      case control::Call::events:
        return reply(control::events_answer(log::recent_events()));
      case control::Call::metrics:
        return reply(control::metrics_answer(metrics_text(board_.current(), BootClock::now())));
      case control::Call::options:
        return turn.post(
            [this, reply] { reply(control::options_answer(public_settings(node_.settings()))); });
      case control::Call::log_level:
        return reply(control::log_level_answer(log::verbosity()));
      case control::Call::set_log_level:
        return reply(set_log_level(request.body));
      case control::Call::set_checksums: {
        const auto software = control::read_checksums(request.body);
        if (!software) return reply(control::error_answer(400, software.error().text));
        return turn.post([this, on = *software, reply] { reply(set_checksums(on)); });
      }
      case control::Call::status:
      case control::Call::health_rows:
      case control::Call::ping:
      case control::Call::peers:
      case control::Call::diff:
      case control::Call::rotate_wireguard_key:
        return answer_of_network(*call, request, reply);
    }
  };
}

// Runs on the thread of the server.
void Control::answer_of_network(control::Call call, const HttpRequest& request,
                                const HttpReply& reply) {
  const NetworkStatuses statuses = board_.current();
  auto found = control::find_network(request, statuses);
  if (!found) return reply(std::move(found).error());
  const std::string network = *std::move(found);
  if (call == control::Call::status) {
    return reply(control::status_answer(*statuses.at(network), pools_of(pools_(), network),
                                        BootClock::now()));
  }
  std::function<void()> work;
  if (call == control::Call::ping) {
    auto ping = control::read_ping(request.body);
    if (!ping) return reply(control::error_answer(400, ping.error().text));
    work = [this, network, ping = *std::move(ping), reply] { this->ping(network, ping, reply); };
  } else if (call == control::Call::rotate_wireguard_key) {
    work = [this, network, reply] { rotate_key(network, reply); };
  } else if (call == control::Call::health_rows) {
    work = [this, network, reply] { read_rows(network, reply); };
  } else if (call == control::Call::peers) {
    work = [this, network, reply] {
      reply([view = peers(network)] { return control::peers_answer(view, BootClock::now()); });
    };
  } else {
    work = [this, network, reply] {
      reply([compared = compare_kernel(network)] {
        return diff_answer(compared->comparison, compared->at);
      });
    };
  }
  sender_.post(std::move(work));
}

void Control::read_rows(const std::string& network, const HttpReply& reply) {
  Membership* member = node_.find(network);
  if (member == nullptr) {
    return reply(control::error_answer(409, "this host takes no part in the network now"));
  }
  HealthRows* rows = member->health_rows();
  if (rows == nullptr) {
    return reply(control::error_answer(409, "flanneld runs without --publish-health"));
  }
  rows->read([rows, reply] {
    reply([seen = rows->seen()] { return control::health_rows_answer(*seen, BootClock::now()); });
  });
}

void Control::rotate_key(const std::string& of, const HttpReply& reply) const {
  Network* network = find(of);
  if (network == nullptr) {
    return reply(control::error_answer(409, "this host takes no part in the network now"));
  }
  network->rotate_wireguard_key([reply](const Result<RotatedKey>& rotated) {
    if (rotated) return reply(control::wireguard_key_answer(rotated->key, rotated->former));
    const int status = rotated.error().kind == ErrorKind::conflict ? 409 : 500;
    reply(control::error_answer(status, rotated.error().text));
  });
}

Network* Control::find(const std::string& network) const {
  Membership* member = node_.find(network);
  return member == nullptr ? nullptr : member->agent().network();
}

HttpResponse Control::set_checksums(bool software) {
  const auto devices = node_.vxlan_devices();
  if (software && devices.empty()) {
    return control::error_answer(409, "this host has no vxlan device, so flanneld sets nothing");
  }
  if (const auto set = node_.set_software_checksums(software); !set) {
    return control::error_answer(500, set.error().text);
  }
  return control::checksums_answer(software, devices);
}

std::shared_ptr<const Control::Compared> Control::compare_kernel(const std::string& network) {
  const TimePoint now = BootClock::now();
  auto& compared = compared_[network];
  if (compared && now - compared->at < kBetweenComparisons) return compared;
  const Network* found = find(network);
  compared =
      std::make_shared<Compared>(now, found ? found->overlay().compare_kernel() : Comparison());
  return compared;
}

void Control::ping(const std::string& of, const control::PingCall& call,
                   const HttpReply& reply) const {
  Network* network = find(of);
  if (network == nullptr || !network->prober().is_on()) {
    return reply(control::error_answer(409,
                                       "this host probes no peers: it has no lease yet, flanneld "
                                       "runs with --probe-peers=false, or its backend (alloc, "
                                       "extension) leaves packets to others"));
  }
  auto target = find_ping_target(*network, call.target);
  if (!target) return reply(control::error_answer(404, target.error().text));
  control::PingReport report{.peer = target->peer,
                             .subnet = target->subnet,
                             .container = target->container,
                             .is_own = target->is_own,
                             .no_way = target->no_way};
  const PingRequest request{.base = report.subnet ? report.subnet->base : IpAddress{},
                            .sizes = call.sizes,
                            .container = report.container,
                            .is_own = report.is_own};
  if (const ProbeTarget* path = network->prober().find_target(request.base)) {
    report.mtu = path->mtu;
    report.tunnel = path->tunnel();
  }
  const auto done = [reply](control::PingReport all, const PingOutcome& outcome) {
    all.outcome = outcome;
    reply([all] { return control::ping_answer(all); });
  };
  control::PingReport sent = report;
  sent.was_sent = true;
  const bool is_sent = network->prober().ping(
      request, [done, sent](const PingOutcome& outcome) { done(sent, outcome); });
  if (!is_sent) done(report, {});
}

control::PeersView Control::peers(const std::string& of) const {
  control::PeersView view;
  const Network* network = find(of);
  if (network == nullptr) return view;
  view.configured = configured_backend(network->config());
  const HostIdentity us = network->identity();
  const auto& missing = network->peers().missing();
  for (const auto& [subnet, listed] : network->peers().leases()) {
    if (us.owns(listed.lease)) continue;
    control::PeerRow row{listed.lease, ""};
    const auto gone = missing.find(subnet);
    if (gone != missing.end()) row.state = gone->second.is_suspected ? "suspected" : "missing";
    if (auto why = network->overlay().unreachable().why(subnet)) {
      row.state = "unreachable";
      row.why = *std::move(why);
    }
    for (const IpPrefix& one : values_of(subnet)) {
      if (const PeerBytes* bytes = network->overlay().bytes_of(one)) {
        if (!row.bytes) row.bytes.emplace();
        row.bytes->sent += bytes->sent.load(std::memory_order_relaxed);
        row.bytes->received += bytes->received.load(std::memory_order_relaxed);
      }
      if (const auto path = network->prober().view(one)) {
        row.paths.push_back({one.family(), *path, network->prober().why(one)});
      }
    }
    view.peers.push_back(std::move(row));
  }
  for (const auto& [key, record] : network->table().quarantined())
    view.quarantined.push_back(record);
  view.more_quarantined = network->table().quarantine().unnamed();
  return view;
}

}  // namespace flannel
