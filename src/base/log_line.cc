// SPDX-License-Identifier: Apache-2.0
#include "base/log_line.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/printable.h"

namespace flannel::log {
namespace {

using Json = nlohmann::ordered_json;

std::string_view file_of(const std::source_location& where) {
  const std::string_view path = where.file_name();
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto exact = std::chrono::floor<std::chrono::microseconds>(time);
  const auto part = exact.time_since_epoch() % std::chrono::seconds(1);
  const auto whole = std::chrono::floor<std::chrono::seconds>(exact);
  return fmt::format("{:%FT%T}.{:06}Z", fmt::gmtime(whole), part.count());
}

// The numbers of syslog.
std::string_view priority_of(Level level) {
  return level == Level::error ? "3" : level == Level::warning ? "4" : "6";
}

// Names of journal fields consist of capitals, digits and underscores, 64 at most.
std::string journal_name(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  std::string made = "FLANNEL_";
  for (const char c : name.substr(0, kLongest - made.size())) {
    const bool small = c >= 'a' && c <= 'z';
    const bool fits = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    made += small ? static_cast<char>(c - 'a' + 'A') : fits ? c : '_';
  }
  return made;
}

// A value with a newline has its length before it, as 64 bits with the least byte first.
void add(std::string& entry, std::string_view name, std::string_view value) {
  entry.append(name);
  if (value.find('\n') == std::string_view::npos) {
    entry.append("=");
  } else {
    entry.append("\n");
    for (std::size_t byte = 0; byte < 8; ++byte)
      entry += static_cast<char>(value.size() >> (8 * byte) & 0xFF);
  }
  entry.append(value).append("\n");
}

}  // namespace

std::string text_line(const Event& event) {
  // The message is our own text, but it may quote an object's name: keep it on one line too.
  std::string line = printable(event.message);
  for (const auto& [name, value] : event.fields) {
    line.append(" ").append(name).append("=");
    line += word_or_quoted(value);
  }
  return line;
}

std::string stream_line(const Event& event) {
  return fmt::format("<{}>{}\n", priority_of(event.level), text_line(event));
}

std::string json_line(const Event& event, const std::source_location& where) {
  Json fields = Json::object();
  for (const auto& [name, value] : event.fields)
    fields[name] = value;
  const Json line = {{"time", time_text(event.time)},
                     {"level", to_string(event.level)},
                     {"message", event.message},
                     {"source", fmt::format("{}:{}", file_of(where), where.line())},
                     {"fields", std::move(fields)}};
  return line.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string journal_entry(const Event& event, const std::source_location& where) {
  std::string entry;
  add(entry, "MESSAGE", text_line(event));
  add(entry, "PRIORITY", priority_of(event.level));
  add(entry, "SYSLOG_IDENTIFIER", "flanneld");
  add(entry, "CODE_FILE", file_of(where));
  add(entry, "CODE_LINE", std::to_string(where.line()));
  for (const auto& [name, value] : event.fields)
    add(entry, journal_name(name), value);
  return entry;
}

}  // namespace flannel::log
