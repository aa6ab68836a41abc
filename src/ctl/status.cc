// SPDX-License-Identifier: Apache-2.0
// Implements status: what the flanneld of this host does, on one screen.
#include <fmt/format.h>

#include <ostream>
#include <thread>

#include "base/printable.h"
#include "core/json_text.h"
#include "ctl/bytes_text.h"
#include "ctl/command.h"
#include "ctl/control_client.h"
#include "ctl/lease_life.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kManyAddresses = 1ULL << 32;  // a larger room is not worth a number
constexpr std::size_t kMostNamed = 5;                 // peers of one state in the line of a host

// The daemon is of this release or a later one: what a member is not is left out.
std::string text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || member->is_null()) return {};
  return printable(member->is_string() ? member->get<std::string>() : member->dump());
}

std::string line(std::string_view title, const std::string& text) {
  return fmt::format("{:<10}{}\n", title, text);
}

std::string both(const std::string& v4, const std::string& v6) {
  return v4.empty() || v6.empty() ? v4 + v6 : v4 + ", " + v6;
}

std::string time_of(const Json& object, const char* name) {
  const auto seconds = object.find(name);
  if (seconds == object.end() || !seconds->is_number_integer()) return {};
  return duration_text(std::chrono::seconds(seconds->get<std::int64_t>()));
}

std::string lease_text(const Json& lease) {
  if (!lease.is_object()) return "none yet";
  const std::string phase = text_of(lease, "phase");
  const std::string end = time_of(lease, "ends_in_s");
  std::string text = fmt::format("{} at {}", text_of(lease, "subnet"),
                                 both(text_of(lease, "public_ip"), text_of(lease, "public_ipv6")));
  if (!end.empty()) text += ", ends in " + end + " unless it is renewed";
  if (lease.value("reservation", false)) text += ", a reservation";
  if (phase != "active") text += ", " + phase;
  return text;
}

std::string underlay_text(const Json& underlay) {
  if (!underlay.is_object()) return "none yet";
  return fmt::format("{} {}, MTU {}", text_of(underlay, "interface"),
                     both(text_of(underlay, "ip"), text_of(underlay, "ipv6")),
                     text_of(underlay, "mtu"));
}

std::string store_text(const Json& store) {
  if (text_of(store, "name").empty()) return "not asked";  // this host is in no network now
  return fmt::format("{}, {} for {}", text_of(store, "name"),
                     store.value("connected", false) ? "connected" : "AWAY",
                     time_of(store, "for_s"));
}

std::string peers_text(const Json& peers) {
  const auto count = [&peers](const char* name) {
    const Json& member = peers.value(name, Json());
    if (member.is_null()) return std::size_t{0};
    return member.is_number() ? member.get<std::size_t>() : member.size();
  };
  const std::size_t silent = std::min(count("silent"), count("up"));
  std::string text = fmt::format("{} up", count("up") - silent);
  const auto add = [&text](std::size_t number, const char* what) {
    if (number > 0) text += fmt::format(", {} {}", number, what);
  };
  add(silent, "silent");
  add(count("suspected"), "suspected");
  add(count("unreachable") + count("more_unreachable"), "unreachable");
  add(count("quarantined") + count("more_quarantined"), "records quarantined");
  return text;
}

std::string kernel_text(const Json& kernel) {
  const auto unmet = kernel.value("unmet", Json::object()).size() + kernel.value("more_unmet", 0U);
  return fmt::format("{} changes, {} repaired, {} failed; {}", text_of(kernel, "changes"),
                     text_of(kernel, "corrections"), text_of(kernel, "failures"),
                     unmet == 0 ? "all is as wanted" : fmt::format("{} not as wanted", unmet));
}

std::string device_text(const Json& path) {
  const Json& counters = path.value("counters", Json::object());
  const auto bytes = [&counters](const char* name) {
    return bytes_text(counters.value(name, std::uint64_t{0}));
  };
  return fmt::format("{}, sent {}, received {}", text_of(path, "device"), bytes("out_bytes"),
                     bytes("in_bytes"));
}

// A line for each subnet whose addresses Docker gets from flanneld.
std::string pools_text(const Json& pools) {
  std::string text;
  if (!pools.is_array()) return text;
  for (const Json& pool : pools) {
    const auto room = pool.value("room", std::uint64_t{0});
    text += line(text.empty() ? "docker" : "",
                 fmt::format("{}: {}{} addresses for containers are given out",
                             text_of(pool, "subnet"), text_of(pool, "containers"),
                             room < kManyAddresses ? fmt::format(" of {}", room) : ""));
  }
  return text;
}

// Two lines for each: what is wrong since when, and what to do.
std::string problems_text(const Json& problems) {
  if (problems.empty()) return line("problems", "none");
  std::string text;
  for (const Json& problem : problems) {
    const std::string object = text_of(problem, "object");
    text += line(
        text.empty() ? "problems" : "",
        fmt::format("{}: {}{} (for {})", text_of(problem, "severity"), text_of(problem, "area"),
                    object.empty() ? "" : ", " + object, time_of(problem, "for_s")));
    text += line("", "  " + text_of(problem, "text"));
    const std::string remedy = text_of(problem, "remedy");
    if (!remedy.empty()) text += line("", "  remedy: " + remedy);
  }
  return text;
}

// What other hosts say of each other: a line for each that does not reach all.
std::string others_text(const Json& rows) {
  if (!rows.is_array()) return {};
  std::string text =
      line("others", fmt::format("{} host{} have rows", rows.size(), rows.size() == 1 ? "" : "s"));
  for (const Json& row : rows) {
    std::string seen;
    const Json others = row.value("others", Json::object());
    for (const auto& [state, peers] : others.items()) {
      std::string names;
      for (std::size_t i = 0; i < peers.size() && i < kMostNamed; ++i)
        names += (names.empty() ? "" : ", ") + peers[i].get<std::string>();
      if (peers.size() > kMostNamed)
        names += fmt::format(" and {} more", peers.size() - kMostNamed);
      seen += fmt::format("{}{} {}", seen.empty() ? "" : "; ", state, names);
    }
    const Json more = row.value("more", Json::object());
    for (const auto& [state, count] : more.items())
      seen += fmt::format("{}{} {} more", seen.empty() ? "" : "; ", state, count.dump());
    const Json& subnets = row.value("subnets", Json::array());
    if (!seen.empty() && !subnets.empty())
      text += line("", printable(fmt::format("{}: {}", subnets[0].get<std::string>(), seen)));
  }
  return text;
}

std::string screen(const Json& status) {
  std::string text =
      line("flanneld",
           text_of(status, "release") + (status.value("ready", false) ? ", ready" : ", NOT READY"));
  text += line("lease", lease_text(status.value("lease", Json())));
  text += line("backend", text_of(status, "backend"));
  text += line("underlay", underlay_text(status.value("underlay", Json())));
  text += line("store", store_text(status.value("store", Json::object())));
  text += line("peers", peers_text(status.value("peers", Json::object())));
  text += line("kernel", kernel_text(status.value("kernel", Json::object())));
  const Json& path = status.value("packet_path", Json());
  if (path.is_object()) text += line("device", device_text(path));
  text += pools_text(status.value("docker_pools", Json()));
  text += others_text(status.value("health_rows", Json()));
  return text + problems_text(status.value("problems", Json::array()));
}

// What is wrong with a daemon with --networks=* apart from its networks; "" if nothing is. A daemon
// of an earlier release says none.
std::string daemon_text(const Json& networks) {
  const Json problems = networks.value("problems", Json::array());
  std::string text;
  if (networks["networks"].empty()) text += line("network", "none yet");
  return problems.empty() ? text : text + problems_text(problems);
}

// Returns whether all networks are ready.
Result<bool> show(const CtlOptions& options, const Terminal& terminal) {
  const std::vector<std::string> names = TRY(networks_asked_for(options));
  bool ready = true;
  Json all = Json::object();
  std::string text;
  if (options.network.empty()) {
    const auto answer = ask_daemon(options, {"GET", "/v1/networks"});
    if (answer && answer->contains("networks")) {
      ready = answer->value("ready", true);
      text = daemon_text(*answer);
    }
  }
  for (const std::string& name : names) {
    CtlOptions one = options;
    one.network = name;
    Json status = TRY(ask_daemon(one, {"GET", "/v1/status"}));
    // Refused by a daemon without --publish-health.
    const auto rows = ask_daemon(one, {"GET", "/v1/health-rows"});
    if (rows && rows->contains("rows")) status["health_rows"] = (*rows)["rows"];
    ready = ready && status.value("ready", false);
    if (names.size() > 1) text += (text.empty() ? "" : "\n") + line("network", name);
    text += screen(status);
    all[name] = status;
  }
  if (options.json)
    text = json_text(names.size() == 1 ? all.begin().value() : Json{{"networks", all}});
  terminal.out << text << std::flush;
  return ready;
}

}  // namespace

Result<void> run_status(const CtlOptions& options, const Terminal& terminal) {
  while (true) {
    const auto ready = show(options, terminal);
    if (!options.watch) {
      if (!ready) return Failure(ready.error());
      if (*ready) return {};
      return fail(ErrorKind::unavailable, "flanneld is not ready");
    }
    if (!ready) terminal.out << ready.error().text << "\n" << std::flush;
    std::this_thread::sleep_for(*options.watch);
    if (!options.json) terminal.out << "\n";
  }
}

}  // namespace flannel
