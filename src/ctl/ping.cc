// SPDX-License-Identifier: Apache-2.0
// Implements ping: probes of a peer or a container, over the overlay, by the daemon of this host.
#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <thread>

#include "base/printable.h"
#include "core/json_text.h"
#include "ctl/command.h"
#include "ctl/control_client.h"
#include "ctl/ping_answer.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kPause = std::chrono::seconds(1);
constexpr int kTries = 3;  // a length passes if one of so many packets does

struct PingSizes {
  std::uint32_t to = 0;  // 0: as short as can be
  std::uint32_t back = 0;
};

Result<Json> ping_once(const CtlOptions& options, const PingSizes& sizes,
                       const std::string& target) {
  const Json body = {{"target", target}, {"size", sizes.to}, {"answer_size", sizes.back}};
  return ask_daemon(options, {"POST", "/v1/ping", body.dump()});
}

Result<Json> ping_once(const CtlOptions& options, const PingSizes& sizes) {
  return ping_once(options, sizes, options.words[0]);
}

// A member as a number; nullopt: it is missing or null.
std::optional<std::uint64_t> count_in(const Json& answer, const char* name) {
  const auto member = answer.find(name);
  if (member == answer.end() || !member->is_number_unsigned()) return std::nullopt;
  return member->get<std::uint64_t>();
}

std::string words_in(const Json& answer, const char* name) {
  const auto member = answer.find(name);
  if (member == answer.end() || !member->is_string()) return {};
  return printable(member->get<std::string>());
}

// The time that counts: of the container, if one was asked for, and else of the peer.
std::optional<std::uint64_t> time_of(const Json& answer) {
  const bool container = answer.contains("container") && !answer["container"].is_null();
  return count_in(answer, container ? "container_us" : "overlay_us");
}

std::string milliseconds_text(std::uint64_t us) {
  return fmt::format("{:.2f} ms", static_cast<double>(us) / 1000);
}

std::string heading(const CtlOptions& options, const Json& answer) {
  const Json peer = answer.value("peer", Json());
  if (!peer.is_object()) return "ping of " + printable(options.words[0]) + "\n";
  std::string node = words_in(peer, "node_id").substr(0, 8);
  std::string host = words_in(peer, "public_ip");
  if (host.empty()) host = words_in(peer, "public_ipv6");
  return fmt::format("ping of {}: the host {}{} with {}\n", printable(options.words[0]), host,
                     node.empty() ? "" : " (node " + node + ")", words_in(peer, "subnet"));
}

std::string line(const Json& answer) {
  const auto time = time_of(answer);
  if (!time) {
    const std::string at = words_in(answer, "stopped_at"), why = words_in(answer, "why");
    return at.empty() ? "no answer" : fmt::format("no answer; it stops at the {}: {}", at, why);
  }
  const auto to = count_in(answer, "size_to"), back = count_in(answer, "size_from");
  const std::string sizes =
      to && back ? fmt::format("{} bytes there and {} back in ", *to, *back) : "answer in ";
  return sizes + milliseconds_text(*time);
}

struct Tally {
  std::uint32_t sent = 0;
  std::vector<std::uint64_t> times;

  std::string text() const {
    const auto lost = sent - static_cast<std::uint32_t>(times.size());
    std::string text = fmt::format("{} sent, {} answered, {} % lost", sent, times.size(),
                                   lost * 100 / std::max(sent, 1U));
    if (times.empty()) return text + "\n";
    std::uint64_t sum = 0;
    for (const std::uint64_t time : times)
      sum += time;
    return text + fmt::format("; round trip {} to {}, {} on average\n",
                              milliseconds_text(*std::ranges::min_element(times)),
                              milliseconds_text(*std::ranges::max_element(times)),
                              milliseconds_text(sum / times.size()));
  }
};

Failure not_answered(const Json& answer) {
  const std::string why = words_in(answer, "why");
  return fail(ErrorKind::unavailable, "no answer" + (why.empty() ? "" : ": " + why));
}

// What stays so is not asked again: there is no lease, or no way.
bool is_final(const Json& answer) {
  const std::string at = words_in(answer, "stopped_at");
  return at == "lease" || at == "way";
}

Result<void> ping_often(const CtlOptions& options, const Terminal& terminal,
                        const PingSizes& sizes) {
  Tally tally;
  Json all = Json::array();
  Json last;
  while (tally.sent < options.count) {
    if (tally.sent > 0) std::this_thread::sleep_for(kPause);
    last = TRY(ping_once(options, sizes));
    if (!options.json && tally.sent == 0) terminal.out << heading(options, last);
    ++tally.sent;
    if (const auto time = time_of(last)) tally.times.push_back(*time);
    if (options.json) {
      all.push_back(last);
    } else {
      terminal.out << line(last) << std::endl;
    }
    if (is_final(last)) break;
  }
  terminal.out << (options.json ? json_text({{"pings", all}}) : tally.text());
  if (tally.times.empty()) return not_answered(last);
  return {};
}

// Finds the longest packet that passes by halving what is left. `passes`: of a packet this long.
template <typename Passes>
Result<std::uint32_t> longest(std::uint32_t least, std::uint32_t most, const Passes& passes) {
  if (TRY(passes(most))) return most;
  std::uint32_t low = least, high = most - 1;
  while (low < high) {
    const std::uint32_t middle = low + (high - low + 1) / 2;
    if (TRY(passes(middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

Result<void> sweep(const CtlOptions& options, const Terminal& terminal) {
  const Json first = TRY(ping_once(options, {}));
  const auto least = count_in(first, "size_to"), most = count_in(first, "mtu");
  if (!least || !most || *most < *least) return not_answered(first);
  const auto passes = [&options](const PingSizes& sizes) -> Result<bool> {
    for (int i = 0; i < kTries; ++i) {
      const Json answer = TRY(ping_once(options, sizes));
      if (count_in(answer, "overlay_us")) return true;
    }
    return false;
  };
  const auto low = static_cast<std::uint32_t>(*least), high = static_cast<std::uint32_t>(*most);
  const auto to = TRY(longest(low, high, [&](std::uint32_t size) { return passes({size, 0}); }));
  const auto back = TRY(longest(low, to, [&](std::uint32_t size) { return passes({to, size}); }));
  if (options.json) {
    terminal.out << json_text({{"mtu", high}, {"mtu_to", to}, {"mtu_from", back}});
  } else {
    terminal.out << heading(options, first)
                 << fmt::format(
                        "packets of up to {} bytes pass there, and of up to {} back; {} are to "
                        "pass\n",
                        to, back, high);
  }
  if (to == high && back == high) return {};
  return fail(ErrorKind::unavailable, "longer packets are lost");
}

}  // namespace

Result<PingAnswer> ping_answer(const CtlOptions& options, const std::string& target) {
  const Json answer = TRY(ping_once(options, {}, target));
  return PingAnswer{.came = time_of(answer).has_value(), .text = line(answer)};
}

Result<void> run_ping(const CtlOptions& options, const Terminal& terminal) {
  if (options.sweep) return sweep(options, terminal);
  const std::uint32_t size = options.size.value_or(0);
  return ping_often(options, terminal, {size, size});
}

}  // namespace flannel
