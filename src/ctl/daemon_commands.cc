// SPDX-License-Identifier: Apache-2.0
// Implements the commands that ask the running daemon: diff, events, log level, wireguard rotate.
#include <fmt/format.h>

#include <ostream>
#include <sstream>

#include "base/parse.h"
#include "base/printable.h"
#include "core/control_socket.h"
#include "core/json_text.h"
#include "ctl/command.h"
#include "ctl/control_client.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

// Returns a member that may be missing or null, as text.
std::string text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || member->is_null()) return "-";
  return member->is_string() ? member->get<std::string>() : member->dump();
}

std::string event_line(const Json& event) {
  std::string line = fmt::format("{} {:<7} {}", text_of(event, "time"), text_of(event, "level"),
                                 printable(text_of(event, "message")));
  const Json fields = event.value("fields", Json::object());
  for (const auto& [name, value] : fields.items()) {
    line +=
        fmt::format(" {}={}", printable(name),
                    word_or_quoted(value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return line + "\n";
}

// Returns the number of differences.
std::size_t print_differences(const Json& answer, std::ostream& out) {
  const Json differences = answer.value("differences", Json::array());
  for (const Json& one : differences) {
    out << printable(text_of(one, "sign")) << " " << printable(text_of(one, "object")) << "\n";
    const std::string why = text_of(one, "why");
    if (why != "-") out << "    refused: " << printable(why) << "\n";
  }
  const auto more = answer.value("more_differences", std::size_t{0});
  if (more > 0) out << "and " << more << " more\n";
  return differences.size() + more;
}

}  // namespace

Result<void> run_diff(const CtlOptions& options, const Terminal& terminal) {
  const Json answer = TRY(ask_daemon(options, {"GET", "/v1/diff"}));
  std::ostringstream text;
  const std::size_t count = print_differences(answer, text);
  if (options.json) {
    terminal.out << json_text(answer);
  } else if (count > 0) {
    terminal.out << text.str();
  } else {
    terminal.out << "nothing differs: of flanneld the kernel has the "
                 << answer.value("wanted", std::size_t{0}) << " objects that it wants\n";
  }
  if (count == 0) return {};
  return fail(ErrorKind::conflict, fmt::format("the kernel differs in {} objects", count));
}

Result<void> run_events(const CtlOptions& options, const Terminal& terminal) {
  const Json answer = TRY(ask_daemon(options, {"GET", "/v1/events"}));
  if (options.json) {
    terminal.out << json_text(answer);
    return {};
  }
  for (const Json& event : answer.value("events", Json::array()))
    terminal.out << event_line(event);
  return {};
}

Result<void> run_log_level(const CtlOptions& options, const Terminal& terminal) {
  ControlCall call{"GET", "/v1/log-level"};
  if (!options.words.empty()) {
    const auto v = parse_decimal<std::uint32_t>(options.words[0]);
    if (!v || *v > kMostVerbosity) {
      return fail(ErrorKind::invalid,
                  in_quotes(options.words[0]) + " is no whole number from 0 to 10");
    }
    call = {"PUT", "/v1/log-level", json_text({{"v", *v}})};
  }
  const Json answer = TRY(ask_daemon(options, std::move(call)));
  terminal.out << (options.json ? json_text(answer) : text_of(answer, "v") + "\n");
  return {};
}

Result<void> run_wireguard_rotate(const CtlOptions& options, const Terminal& terminal) {
  const Json answer = TRY(ask_daemon(options, {"POST", "/v1/wireguard/rotate", "{}"}));
  if (options.json) {
    terminal.out << json_text(answer);
    return {};
  }
  terminal.out << "this host has the public key " << printable(text_of(answer, "public_key"))
               << " now, and the store its lease with it; peers refuse the former one, "
               << printable(text_of(answer, "former_public_key")) << ", as soon as they read it\n";
  return {};
}

}  // namespace flannel
