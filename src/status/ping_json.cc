// SPDX-License-Identifier: Apache-2.0
#include "status/ping_json.h"

#include <fmt/format.h>

#include "core/json_text.h"

namespace flannel::control {
namespace {

using Json = nlohmann::ordered_json;

Json microseconds(const std::optional<Duration>& time) {
  if (!time) return nullptr;
  return std::chrono::duration_cast<std::chrono::microseconds>(*time).count();
}

// The place where it stops, and what that means.
struct Stop {
  std::string_view at;  // empty: it does not stop
  std::string why = {};
};

Stop find_stop(const PingReport& report) {
  const PingOutcome& outcome = report.outcome;
  if (report.is_own) {
    if (outcome.container) return {""};
    return {"container", to_string(*report.container) + " on this host does not answer"};
  }
  if (!report.peer) {
    return {"lease", fmt::format("no host has a lease for {}", to_string(*report.container))};
  }
  if (!report.was_sent) {
    return {"way", report.no_way.empty() ? "this host has no lease, or no way to the peer yet"
                                         : report.no_way};
  }
  if (outcome.overlay || outcome.container) {
    if (!report.container || outcome.container) return {""};
    return {"container",
            fmt::format("its host answers, and {} does not: it does not run, or a rule "
                        "for forwarded packets or the container itself refuses a ping",
                        to_string(*report.container))};
  }
  if (!outcome.underlay) {
    return {"underlay",
            "its host answers neither over the overlay nor to a ping on the underlay: it "
            "is down or cut off, or a firewall drops all"};
  }
  if (report.tunnel.empty()) {
    return {"overlay",
            "its host answers a ping on the underlay, and not over the overlay: a firewall "
            "or a router drops packets with addresses of the overlay"};
  }
  return {"overlay",
          fmt::format("its host answers a ping on the underlay, and not over the overlay: "
                      "a firewall drops {}, or its flanneld does not run",
                      report.tunnel)};
}

Json peer_of(const PingReport& report) {
  if (!report.peer) return nullptr;
  const LeaseAttributes& host = report.peer->attributes;
  return {{"node_id", host.node ? Json(to_string(host.node->id)) : Json(nullptr)},
          {"subnet", to_string(*report.subnet)},
          {"public_ip", text_or_null(host.public_ips().v4)},
          {"public_ipv6", text_or_null(host.public_ips().v6)}};
}

Result<std::uint16_t> size_in(const Json& json, const char* name) {
  const auto member = json.find(name);
  if (member == json.end() || member->is_null()) return std::uint16_t{0};
  if (!member->is_number_unsigned() || member->get<std::uint64_t>() > kMaxMtu) {
    return fail(ErrorKind::invalid, fmt::format("{} is no whole number up to {}", name, kMaxMtu));
  }
  return member->get<std::uint16_t>();
}

}  // namespace

Result<PingCall> read_ping(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("target") || !json["target"].is_string()) {
    return fail(ErrorKind::invalid,
                R"(the body is not as {"target": "10.5.2.0/24", "size": 1450, "answer_size": 60})");
  }
  return PingCall{json["target"].get<std::string>(),
                  {TRY(size_in(json, "size")), TRY(size_in(json, "answer_size"))}};
}

Json ping_json(const PingReport& report) {
  const PingOutcome& outcome = report.outcome;
  const Stop stop = find_stop(report);
  Json json = {{"peer", peer_of(report)},
               {"container", text_or_null(report.container)},
               {"mtu", report.mtu != 0 ? Json(report.mtu) : Json(nullptr)},
               {"underlay_us", microseconds(outcome.underlay)},
               {"overlay_us", microseconds(outcome.overlay)},
               {"container_us", microseconds(outcome.container)},
               {"size_to", outcome.overlay ? Json(outcome.arrived.to) : Json(nullptr)},
               {"size_from", outcome.overlay ? Json(outcome.arrived.back) : Json(nullptr)},
               {"stopped_at", stop.at.empty() ? Json(nullptr) : Json(stop.at)}};
  if (!stop.why.empty()) json["why"] = stop.why;
  return json;
}

}  // namespace flannel::control
