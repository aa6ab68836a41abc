// SPDX-License-Identifier: Apache-2.0
// Implements doctor: every check with its verdict, what was seen, and what to do.
#include "ctl/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <ostream>
#include <set>

#include "base/parse.h"
#include "base/printable.h"
#include "core/json_text.h"

namespace flannel {
namespace doctor {
namespace {

using Json = nlohmann::ordered_json;

// The areas of docs/problems.md, in which the daemon has nothing to complain of.
constexpr auto kAreas = std::to_array<std::string_view>(
    {"config", "option", "store", "lease", "network", "underlay", "host", "kernel", "packet path",
     "packet filter", "peers", "subnet file"});

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

// What a daemon that has just been started waits for is no finding, and neither is a notice.
bool is_finding(const Json& problem) {
  const std::string severity = text_in(problem, "severity");
  return severity == "critical" || severity == "error" || severity == "warning";
}

Check no_daemon(const Error& error, const Terminal& terminal) {
  Check check{
      .verdict = Verdict::wrong,
      .area = "daemon",
      .text = error.text,
      .code = "daemon-silent",
      .remedy = "start it (systemctl start flanneld), and see its log (journalctl -u flanneld)"};
  const auto running = terminal.find_daemons ? terminal.find_daemons() : std::vector<int>();
  if (running && !running->empty()) {
    check.text += fmt::format("; a flanneld runs here (pid {})", running->front());
    check.remedy =
        "give flannelctl the --control-socket of flanneld, and see whether its loop is "
        "stuck (its log, /healthz)";
  }
  if (error.kind == ErrorKind::denied) {
    check.verdict = Verdict::unknown;
    check.code.clear();
    check.remedy.clear();
  }
  return check;
}

}  // namespace

void check_daemon(const CtlOptions&, const Result<DaemonView>& daemon, const Terminal& terminal,
                  Checks& checks) {
  if (!daemon) return checks.push_back(no_daemon(daemon.error(), terminal));
  const bool ready = daemon->status.value("ready", false);
  checks.push_back(
      {.area = "daemon",
       .text = fmt::format("flanneld {} answers, {}", text_in(daemon->status, "release"),
                           ready ? "and is ready" : "but is not ready")});
  std::set<std::string> areas;
  const Json problems = daemon->status.value("problems", Json::array());
  for (const Json& problem : problems) {
    if (!problem.is_object() || !is_finding(problem)) continue;
    areas.insert(text_in(problem, "area"));
    checks.push_back({.verdict = Verdict::wrong,
                      .area = text_in(problem, "area"),
                      .text = text_in(problem, "text"),
                      .code = text_in(problem, "code"),
                      .remedy = text_in(problem, "remedy"),
                      .object = text_in(problem, "object")});
  }
  for (const std::string_view area : kAreas) {
    if (areas.contains(std::string(area))) continue;
    checks.push_back({.area = std::string(area), .text = "flanneld sees nothing wrong"});
  }
}

}  // namespace doctor

namespace {

using doctor::Check;
using doctor::Checks;
using doctor::Verdict;

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::wrong:
      return "WRONG";
    case Verdict::unknown:
      break;
  }
  return "unknown";
}

std::string as_text(const Checks& checks) {
  std::string text;
  for (const Check& check : checks) {
    text += fmt::format("{:<8} {:<14} {}\n", word_of(check.verdict), check.area, check.text);
    if (!check.remedy.empty()) {
      text += fmt::format("{:<8} {:<14} {}: {}\n", "", "", check.code, check.remedy);
    }
  }
  return text;
}

std::string as_json(const Checks& checks) {
  auto rows = nlohmann::ordered_json::array();
  for (const Check& check : checks) {
    rows.push_back({{"verdict", check.verdict == Verdict::wrong ? "wrong" : word_of(check.verdict)},
                    {"area", check.area},
                    {"text", check.text}});
    if (check.verdict != Verdict::wrong) continue;
    rows.back()["code"] = check.code;
    rows.back()["remedy"] = check.remedy;
  }
  return json_text({{"checks", rows}});
}

std::vector<IpPrefix> prefixes_in(std::string_view text) {
  std::vector<IpPrefix> found;
  for (const std::string_view word : split(text, ' ')) {
    if (const auto prefix = IpPrefix::parse(word)) found.push_back(*prefix);
  }
  return found;
}

// A route that takes the packets to a peer says why that does not get them.
void leave_out_what_a_route_explains(Checks& checks) {
  std::vector<IpPrefix> taken;
  for (const Check& check : checks) {
    if (check.code != "peer-route-taken") continue;
    std::ranges::copy(prefixes_in(check.object), std::back_inserter(taken));
  }
  std::erase_if(checks, [&taken](const Check& check) {
    if (check.code != "peer-one-way" && check.code != "peer-silent") return false;
    const auto peer = IpPrefix::parse(check.object);
    return peer &&
           std::ranges::any_of(taken, [&](const IpPrefix& route) { return route.overlaps(*peer); });
  });
}

// The rule itself says more than that some chain refuses packets. The daemon sees the network that
// it has made, and running containers.
void leave_out_what_is_said_twice(Checks& checks) {
  const auto is_found = [&checks](std::string_view code) {
    return std::ranges::find(checks, code, &Check::code) != checks.end();
  };
  if (is_found("docker-network-mtu") || is_found("containers-mtu")) {
    std::erase_if(checks, [](const Check& check) { return check.code == "docker-mtu"; });
  }
  if (std::ranges::find(checks, "rule-drops", &Check::code) == checks.end()) return;
  std::erase_if(checks, [](const Check& check) { return check.code == "forward-refused"; });
}

// What --fix asks for comes after all that was found.
Result<void> follow_wish(const CtlOptions& options, Checks& checks) {
  if (options.fix == "on") return doctor::fix(options, checks);
  if (options.fix == "off") return doctor::undo_fix(options, checks);
  return {};
}

Checks run_checks(const CtlOptions& options, const Result<DaemonView>& daemon,
                  const Terminal& terminal) {
  Checks checks;
  doctor::check_daemon(options, daemon, terminal, checks);
  const auto host = terminal.read_host ? terminal.read_host()
                                       : fail(ErrorKind::unavailable, "this host cannot be read");
  if (!host) {
    checks.push_back({.verdict = Verdict::unknown, .area = "host", .text = host.error().text});
  } else if (daemon) {
    doctor::check_fix(*daemon, checks);
    doctor::check_bridge(*daemon, *host, checks);
    doctor::check_docker(options.docker_socket, *daemon, checks);
    doctor::check_managers("", *daemon, *host, checks);
    doctor::check_rules(*daemon, *host, checks);
  }
  leave_out_what_a_route_explains(checks);
  leave_out_what_is_said_twice(checks);
  doctor::check_store(options, checks);
  doctor::check_clock(options, checks);
  doctor::check_certificates(options, checks);
  return checks;
}

}  // namespace

Result<void> run_doctor(const CtlOptions& options, const Terminal& terminal) {
  const auto daemon = ask_daemon_view(options);
  if (!daemon && daemon.error().kind == ErrorKind::conflict) return Failure(daemon.error());
  Checks checks = run_checks(options, daemon, terminal);
  const auto followed = follow_wish(options, checks);
  terminal.out << (options.json ? as_json(checks) : as_text(checks));
  TRY(followed);
  const auto wrong = std::ranges::count(checks, Verdict::wrong, &Check::verdict);
  if (wrong == 0) return {};
  return fail(ErrorKind::unavailable,
              wrong == 1 ? "one thing is wrong" : fmt::format("{} things are wrong", wrong));
}

}  // namespace flannel
