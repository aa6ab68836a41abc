// SPDX-License-Identifier: Apache-2.0
// Implements trace: what this host does with a packet between two addresses of the overlay, step by
// step, up to where it stops. If nothing stops it here, the peer is asked for an answer.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"
#include "core/json_text.h"
#include "ctl/command.h"
#include "ctl/daemon_view.h"
#include "ctl/host_bridge.h"
#include "ctl/packet_rules.h"
#include "ctl/ping_answer.h"
#include "ctl/tunnel_packet.h"
#include "kernel/host/bridge_ports.h"
#include "kernel/host/packet_way.h"

namespace flannel {
namespace {

struct Step {
  std::string title;
  std::string text;
  bool stops = false;    // the packet goes no further
  bool is_back = false;  // of the answer
};

class Tracing {
 public:
  Tracing(const CtlOptions& options, IpAddress source, IpAddress destination,
          Result<DaemonView> daemon, Result<HostView> host)
      : options_(options),
        source_(source),
        destination_(destination),
        daemon_(std::move(daemon)),
        host_(std::move(host)) {}

  const std::vector<Step>& run() {
    add_ends();
    if (host_ && add_way()) {
      add_rules();
      add_peer();
      if (std::ranges::none_of(steps_, &Step::stops)) {
        add_answer();
        add_way_back();
      }
    }
    return steps_;
  }

 private:
  void add(std::string title, std::string text) {
    steps_.push_back({std::move(title), std::move(text), false, is_back_});
  }
  bool stop(std::string title, std::string text) {
    steps_.push_back({std::move(title), std::move(text), true, is_back_});
    return false;
  }

  // What this host does with the answer, which a host outside of the overlay may send elsewhere.
  void add_way_back() {
    if (daemon_ && (daemon_->is_outside(source_) || daemon_->is_outside(destination_))) return;
    std::swap(source_, destination_);
    is_back_ = true;
    out_.clear();
    tunnel_.reset();
    if (add_way()) add_rules();
  }

  std::string place_of(const IpAddress& address) const {
    const std::string text = to_string(address);
    if (!daemon_) return text;
    if (const IpPrefix* own = daemon_->own_subnet_of(address))
      return fmt::format("{}, in {} of this host", text, to_string(*own));
    if (const PeerView* peer = daemon_->peer_of(address))
      return fmt::format("{}, at the peer {}", text, peer->name);
    return text + ", in no subnet of the overlay that this host knows";
  }

  void add_ends() {
    if (!daemon_) add("flanneld", daemon_.error().text);
    if (!host_) stop("host", host_.error().text);
    add("from", place_of(source_));
    const PeerView* peer = daemon_ ? daemon_->peer_of(destination_) : nullptr;
    const bool is_known = !daemon_ || peer != nullptr || daemon_->own_subnet_of(destination_);
    if (!is_known && daemon_->is_outside(destination_)) {
      add("to", to_string(destination_) + ", outside of the overlay");
    } else if (!is_known) {
      stop("to", to_string(destination_) +
                     ": no host has leased a subnet with it, or its record is quarantined");
    } else if (peer != nullptr && peer->state == "unreachable" && !peer->why.empty()) {
      stop("to", place_of(destination_) + ", which this host cannot reach: " + peer->why);
    } else {
      add("to", place_of(destination_));
    }
  }

  // The device by which the packet comes in; empty: this host sends it.
  std::string device_of_source() {
    if (std::string link = link_of(source_, *host_); !link.empty()) return link;
    if (!daemon_ || daemon_->peer_of(source_) == nullptr) return "";
    // What comes in from a peer takes the way of the answers.
    const std::string link = link_of(destination_, *host_);
    const IpAddress answerer = link.empty() ? IpAddress::unspecified(source_.family) : destination_;
    const auto back = packet_way(answerer, source_, link);
    if (!back) return "";
    const auto tunnel = tunnel_packets(*daemon_, *daemon_->peer_of(source_), *back);
    if (tunnel) tunnel_ = tunnel->received;
    return back->device;
  }

  bool add_way() {
    in_ = device_of_source();
    const auto way = packet_way(source_, destination_, in_);
    if (!way) {
      return stop("route", in_.empty()
                               ? way.error().text
                               : fmt::format("of what comes in by {}: {}", in_, way.error().text));
    }
    if (way->is_refused) return stop("route", "a route of this host refuses the packet");
    if (way->is_local) {
      add("route", "to this host itself");
      return true;
    }
    out_ = way->device;
    if (const PeerView* peer = daemon_ ? daemon_->peer_of(destination_) : nullptr) {
      if (const auto tunnel = tunnel_packets(*daemon_, *peer, *way)) tunnel_ = tunnel->sent;
    }
    const std::string by = way->via ? " via " + to_string(*way->via) : "";
    add("route", fmt::format("{}{}dev {}{}, MTU {}", in_.empty() ? "" : "from " + in_ + " ",
                             by.empty() ? "" : by.substr(1) + " ", way->device,
                             way->kind.empty() ? "" : " (" + way->kind + ")", way->mtu));
    if (!way->is_up) return stop("device", way->device + " is down");
    if (way->kind == "ipip" && way->remote) return add_underlay(*way->remote);
    if (way->kind == "wireguard") return add_wireguard(*way);
    return way->kind != "vxlan" || add_vxlan(*way);
  }

  bool add_vxlan(const PacketWay& way) {
    const std::string next = to_string(way.via.value_or(destination_));
    if (!way.neighbour) {
      return stop("neighbour", fmt::format("{} has no entry for {}", way.device, next));
    }
    add("neighbour", fmt::format("{} is at {}", next, to_string(*way.neighbour)));
    if (!way.remote) {
      return stop("FDB",
                  fmt::format("{} has no entry for {}", way.device, to_string(*way.neighbour)));
    }
    add("FDB", fmt::format("{} is at {}", to_string(*way.neighbour), to_string(*way.remote)));
    return add_underlay(*way.remote);
  }

  bool add_wireguard(const PacketWay& way) {
    if (!way.remote) {
      return stop("endpoint", fmt::format("{} has no peer with an endpoint for {}", way.device,
                                          to_string(destination_)));
    }
    const std::string endpoint = to_string(IpEndpoint{*way.remote, way.remote_port.value_or(0)});
    add("endpoint", way.handshake_age ? fmt::format("at {}, last handshake {} s ago", endpoint,
                                                    way.handshake_age->count())
                                      : fmt::format("at {}, no handshake yet", endpoint));
    return add_underlay(*way.remote);
  }

  bool add_underlay(const IpAddress& remote) {
    const auto underlay = packet_way(IpAddress::unspecified(remote.family), remote, "");
    if (!underlay) return stop("underlay", underlay.error().text);
    add("underlay", fmt::format("{} by {}{}", to_string(remote), underlay->device,
                                underlay->via ? " via " + to_string(*underlay->via) : ""));
    return true;
  }

  void add_rules() {
    const bool is_forwarded = !in_.empty() && !out_.empty();
    if (!is_forwarded && !tunnel_) return;
    std::vector<std::string> unseen;
    const PacketRules rules = PacketRules::read(unseen);
    for (const std::string& why : unseen)
      add("rules", "not all could be read: " + why);
    if (is_forwarded) {
      ask(rules, packet(), "rules", fmt::format("between {} and {}", in_, out_));
    }
    if (!tunnel_) return;
    const bool leaves = tunnel_->course == trace::Course::sent;
    ask(rules, *tunnel_, "tunnel",
        fmt::format("as {} {} {} by {}", in_words(*tunnel_), leaves ? "to" : "from",
                    to_string(leaves ? tunnel_->destination : tunnel_->source),
                    leaves ? tunnel_->out : tunnel_->in));
  }

  trace::Packet packet() const {
    const auto ports = [](const std::string& device, const IpAddress& container) {
      const auto found = bridge_ports(device, container);
      return found ? *found : std::vector<std::string>();
    };
    return {.source = source_,
            .destination = destination_,
            .in = in_,
            .out = out_,
            .protocol = source_.is_v6() ? "ipv6-icmp" : "icmp",
            .is_answer = is_back_,
            .in_ports = ports(in_, source_),
            .out_ports = ports(out_, destination_)};
  }

  // `where`: the way on which the rules are.
  void ask(const PacketRules& rules, const trace::Packet& packet, const std::string& title,
           const std::string& where) {
    bool dropped = false;
    for (const trace::Drop& drop : rules.drops_of(packet)) {
      dropped = dropped || drop.is_certain;
      const std::string text = fmt::format("{}: {}", drop.where, drop.rule);
      if (drop.is_certain) {
        stop(title, "dropped by " + text);
      } else {
        add(title, "dropped, perhaps, by " + text);
      }
    }
    if (!dropped) add(title, "no rule is known to drop it " + where);
  }

  void add_peer() {
    const PeerView* peer = daemon_ ? daemon_->peer_of(destination_) : nullptr;
    if (peer == nullptr) return;
    const bool answers = peer->state == "ok" || peer->state == "mtu";
    const std::string rtt =
        answers && peer->rtt_us ? fmt::format(", answers in {:.2f} ms", *peer->rtt_us / 1000) : "";
    add("peer", fmt::format("{} is {}{}{}", peer->name, peer->state, rtt,
                            peer->why.empty() ? "" : ": " + peer->why));
  }

  // The ping comes from this host itself, so rules for forwarded packets do not concern it.
  void add_answer() {
    if (!daemon_ || daemon_->peer_of(destination_) == nullptr) return;
    const auto answer = ping_answer(options_, to_string(destination_));
    if (!answer) return add("answer", "not asked for: " + answer.error().text);
    if (!answer->came) {
      stop("answer", answer->text);
    } else {
      add("answer", answer->text);
    }
  }

  const CtlOptions& options_;
  IpAddress source_, destination_;  // of the packet, and then of its answer
  bool is_back_ = false;
  const Result<DaemonView> daemon_;
  const Result<HostView> host_;
  std::string in_, out_;
  std::optional<trace::Packet> tunnel_;  // what carries the packet; nullopt: nothing
  std::vector<Step> steps_;
};

Result<IpAddress> address_in(const std::string& word) {
  auto address = IpAddress::parse(word);
  if (address) return address;
  return fail(ErrorKind::invalid, in_quotes(word) + " is no IP address");
}

}  // namespace

Result<void> run_trace(const CtlOptions& options, const Terminal& terminal) {
  const IpAddress source = TRY(address_in(options.words[0]));
  const IpAddress destination = TRY(address_in(options.words[1]));
  if (source.family != destination.family) {
    return fail(ErrorKind::invalid, "the two addresses are of different families");
  }
  auto daemon = ask_daemon_view(options);
  if (!daemon && daemon.error().kind == ErrorKind::conflict) return Failure(daemon.error());
  auto host = terminal.read_host ? terminal.read_host()
                                 : fail(ErrorKind::unavailable, "this host cannot be read");
  Tracing tracing(options, source, destination, std::move(daemon), std::move(host));
  auto json = nlohmann::ordered_json::array();
  bool stops = false, is_back = false;
  for (const Step& step : tracing.run()) {
    stops = stops || step.stops;
    if (options.json) {
      json.push_back({{"step", step.title},
                      {"text", step.text},
                      {"stops", step.stops},
                      {"way", step.is_back ? "back" : "there"}});
    } else {
      if (step.is_back && !std::exchange(is_back, true)) {
        terminal.out << fmt::format("back, from {} to {}:\n", to_string(destination),
                                    to_string(source));
      }
      terminal.out << fmt::format("{:<10}{}{}\n", step.title, step.stops ? "STOPS: " : "",
                                  printable(step.text));
    }
  }
  if (options.json) terminal.out << json_text({{"steps", json}, {"stops", stops}});
  if (!stops) return {};
  return fail(ErrorKind::unavailable, "the packet does not pass");
}

}  // namespace flannel
