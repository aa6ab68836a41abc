// SPDX-License-Identifier: Apache-2.0
#include "status/control_api.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/printable.h"
#include "base/version.h"
#include "core/control_socket.h"
#include "core/json_text.h"
#include "status/health_json.h"
#include "status/status_json.h"

namespace flannel::control {
namespace {

struct Route {
  std::string_view method;
  std::string_view path;
  Call call;
  bool changes = false;
};

constexpr std::array kRoutes = {
    Route{"GET", "/v1/networks", Call::networks},
    Route{"GET", "/v1/status", Call::status},
    Route{"GET", "/v1/peers", Call::peers},
    Route{"POST", "/v1/ping", Call::ping},
    Route{"GET", "/v1/diff", Call::diff},
    Route{"GET", "/v1/events", Call::events},
    Route{"GET", "/v1/health-rows", Call::health_rows},
    Route{"GET", "/v1/options", Call::options},
    Route{"GET", "/v1/metrics", Call::metrics},
    Route{"GET", "/v1/log-level", Call::log_level},
    Route{"PUT", "/v1/log-level", Call::set_log_level, true},
    Route{"PUT", "/v1/checksums", Call::set_checksums, true},
    Route{"POST", "/v1/wireguard/rotate", Call::rotate_wireguard_key, true},
};

HttpResponse answer(Json json) {
  Json whole = {{"version", kControlVersion}};
  whole.update(json);
  return {200, json_text(whole), "application/json"};
}

constexpr const char* kNoNetwork =
    "this daemon has no network yet; it takes part in those of its store (--networks=*)";

std::string names_of(const NetworkStatuses& networks) {
  std::string names;
  for (const auto& [name, status] : networks)
    names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

tl::expected<Call, HttpResponse> find_call(const HttpRequest& request, uid_t owner) {
  const bool known =
      std::ranges::any_of(kRoutes, [&](const Route& route) { return route.path == request.path; });
  if (!known) {
    return tl::unexpected(error_answer(
        404, "there is no " + request.path + "; this daemon has version 1 of the interface"));
  }
  const auto route = std::ranges::find_if(kRoutes, [&](const Route& one) {
    return one.path == request.path && one.method == request.method;
  });
  if (route == kRoutes.end()) {
    return tl::unexpected(error_answer(405, request.path + " has no method " + request.method));
  }
  const bool is_owner = request.peer && (request.peer->uid == 0 || request.peer->uid == owner);
  if (route->changes && !is_owner) {
    return tl::unexpected(error_answer(403, "only root may change anything"));
  }
  return route->call;
}

tl::expected<std::string, HttpResponse> find_network(const HttpRequest& request,
                                                     const NetworkStatuses& networks) {
  const auto asked = request.query.find("network");
  const bool has_one = networks.size() == 1;
  if (asked == request.query.end()) {
    if (has_one) return networks.begin()->first;
    if (networks.empty()) return tl::unexpected(error_answer(409, kNoNetwork));
    return tl::unexpected(error_answer(400, "this daemon has several networks, " +
                                                names_of(networks) +
                                                ": --network=NAME names one of them"));
  }
  if (!asked->second.empty() && networks.contains(asked->second)) return asked->second;
  const std::string there = networks.empty()       ? "none yet"
                            : is_unnamed(networks) ? "one network, which has no name"
                                                   : "the networks " + names_of(networks);
  return tl::unexpected(error_answer(
      404, "this daemon has no network " + in_quotes(asked->second) + "; it has " + there));
}

HttpResponse networks_answer(const NetworkStatuses& networks, const DaemonStatus& daemon,
                             TimePoint now) {
  Json list = Json::array();
  for (const auto& [name, status] : networks)
    list.push_back({{"name", name}, {"ready", status->ready}});
  return answer({{"ready", daemon.ready},
                 {"networks", std::move(list)},
                 {"problems", problems_json(daemon.problems, now)}});
}

HttpResponse status_answer(const StatusSnapshot& status, const std::vector<PoolUse>& pools,
                           TimePoint now) {
  Json json = {{"release", flannel::version()}};
  json.update(status_json(status, now));
  Json list = Json::array();
  for (const PoolUse& pool : pools) {
    list.push_back({{"subnet", to_string(pool.subnet)},
                    {"gateway", to_string(pool.gateway)},
                    {"containers", pool.containers},
                    {"room", pool.room}});
  }
  json["docker_pools"] = std::move(list);
  return answer(std::move(json));
}

HttpResponse peers_answer(const PeersView& view, TimePoint now) {
  Json peers = Json::array();
  for (const PeerRow& peer : view.peers)
    peers.push_back(peer_json(peer, view.configured, now));
  Json quarantined = Json::array();
  for (const QuarantinedRecord& record : view.quarantined)
    quarantined.push_back({{"key", record.key}, {"why", record.reason}});
  return answer({{"peers", std::move(peers)},
                 {"quarantined", std::move(quarantined)},
                 {"more_quarantined", view.more_quarantined}});
}

HttpResponse ping_answer(const PingReport& report) {
  return answer(ping_json(report));
}

HttpResponse diff_answer(const Comparison& comparison, std::chrono::milliseconds age) {
  const auto& all = comparison.differences;
  const std::size_t named = std::min(all.size(), kMostDifferences);
  Json list = Json::array();
  for (const Difference& one : std::span(all).first(named)) {
    list.push_back({{"sign", one.missing ? "+" : "-"},
                    {"object", to_string(one.object)},
                    {"why", one.why.empty() ? Json(nullptr) : Json(one.why)}});
  }
  return answer({{"wanted", comparison.desired},
                 {"differences", std::move(list)},
                 {"more_differences", all.size() - named},
                 {"age_ms", age.count()}});
}

HttpResponse events_answer(const std::vector<log::Event>& events) {
  Json list = Json::array();
  for (const log::Event& event : events) {
    Json fields = Json::object();
    for (const auto& [name, value] : event.fields)
      fields[name] = value;
    const auto time = std::chrono::floor<std::chrono::milliseconds>(event.time);
    const auto part = time.time_since_epoch() % std::chrono::seconds(1);
    list.push_back({{"time", fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(time), part.count())},
                    {"level", to_string(event.level)},
                    {"message", event.message},
                    {"fields", std::move(fields)}});
  }
  return answer({{"events", std::move(list)}});
}

HttpResponse health_rows_answer(const SeenRows& rows, TimePoint now) {
  Json list = Json::array();
  for (const SeenRow& row : rows.rows)
    list.push_back(health_row_json(row, now));
  return answer(
      {{"rows", std::move(list)}, {"why", rows.why.empty() ? Json(nullptr) : Json(rows.why)}});
}

HttpResponse options_answer(const std::map<std::string, std::vector<std::string>>& options) {
  return answer({{"options", options}});
}

HttpResponse metrics_answer(std::string_view text) {
  return answer({{"metrics", text}});
}

HttpResponse log_level_answer(int verbosity) {
  return answer({{"v", verbosity}});
}

Result<int> read_log_level(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  const auto fault = [](std::string_view what) {
    return fail(ErrorKind::invalid, std::string(what) + R"(; {"v": 2} is expected)");
  };
  if (!json.is_object()) return fault("the body is no JSON object");
  if (json.size() != 1 || !json.contains("v")) return fault("the body has not the one member v");
  const Json& v = json["v"];
  if (!v.is_number_unsigned() || v.get<std::uint64_t>() > kMostVerbosity) {
    return fault("v is no whole number from 0 to 10");
  }
  return v.get<int>();
}

Result<bool> read_checksums(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || json.size() != 1 || !json.contains("software") ||
      !json["software"].is_boolean()) {
    return fail(ErrorKind::invalid,
                R"(the body has not the one member software; {"software": true} is expected)");
  }
  return json["software"].get<bool>();
}

HttpResponse checksums_answer(bool software, const std::vector<std::string>& devices) {
  return answer({{"software", software}, {"devices", devices}});
}

HttpResponse wireguard_key_answer(const WireguardKey& key, const WireguardKey& former) {
  return answer({{"public_key", to_string(key)}, {"former_public_key", to_string(former)}});
}

HttpResponse error_answer(int status, std::string_view error) {
  const Json json = {{"version", kControlVersion}, {"error", error}};
  return {status, json_text(json), "application/json"};
}

}  // namespace flannel::control
