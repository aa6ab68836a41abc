// SPDX-License-Identifier: Apache-2.0
#include "core/kept_state.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/parse.h"
#include "core/go_json.h"
#include "core/known_history.h"

namespace flannel {
namespace {

using nlohmann::ordered_json;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// The version of the format that this release reads and writes.
constexpr std::int64_t kFormat = 1;
// No sum of a time and a duration within these limits overflows.
constexpr std::int64_t kLargest = std::int64_t{1} << 61;
constexpr std::int64_t kLatestTime = std::int64_t{1} << 33;  // in seconds, the year 2242
// The handle of a record whose own one is not kept. It is not empty, for the record expires.
constexpr const char* kUnknownHandle = "unknown";

// One line. Texts from the store need not be UTF-8; one that is not is kept as another text, which
// proves nothing.
std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void add_record(ordered_json& json, const Record& record) {
  json["Key"] = record.key;
  json["Value"] = record.value;
  json["Revision"] = record.revision;
  json["Created"] = record.created;
  json["Handle"] = record.expiry_handle;
}

ordered_json json_of(const Change& change) {
  ordered_json json;
  if (const auto* put = std::get_if<RecordPut>(&change)) {
    add_record(json, put->record);
  } else if (const auto* gone = std::get_if<RecordGone>(&change)) {
    json["Gone"] = gone->key;
    json["Revision"] = gone->revision;
  } else if (const auto* config = std::get_if<ConfigPut>(&change)) {
    json["Config"] = config->config.text;
    json["Revision"] = config->config.revision;
  } else {
    json["Revision"] = std::get<ConfigGone>(change).revision;
  }
  return json;
}

ordered_json header_of(const KeptState& state, std::size_t records) {
  ordered_json json;
  json["Version"] = kFormat;
  json["Store"] = state.store;
  json["History"] = state.history_name;
  json["NodeID"] = to_string(state.node);
  json["Boot"] = state.saved.boot;
  json["SinceBoot"] = state.saved.since_boot.time_since_epoch().count();
  json["Time"] = state.saved.wall.time_since_epoch().count();
  json["TimeOfServer"] = state.saved.by_server;
  json["TimeOfHardware"] = state.saved.by_hardware;
  json["Config"] = state.config.text;
  json["ConfigRevision"] = state.config.revision;
  add_record(json, state.lease.record);
  if (state.lease.ends != kNever) json["Ends"] = state.lease.ends.time_since_epoch().count();
  json["Life"] = state.lease.life.count();
  json["Changes"] = state.history.size();
  json["Records"] = records;
  return json;
}

// Reads members of one line. A member that is absent is an error.
class Line {
 public:
  static Result<Line> parse(std::string_view text) {
    return Line(TRY(JsonObject::parse(text, "a line")));
  }
  Result<std::string> text(std::string_view key) { return there(key, TRY(json_.string(key))); }
  Result<std::int64_t> number(std::string_view key, std::int64_t max = kLargest) {
    return there(key, TRY(json_.integer(key, 0, max)));
  }
  Result<bool> yes(std::string_view key) { return there(key, TRY(json_.boolean(key))); }
  bool has(std::string_view key) const { return json_.has(key); }

  Result<Record> record() {
    Record record;
    record.key = TRY(text("Key"));
    record.value = TRY(text("Value"));
    record.revision = TRY(number("Revision"));
    record.created = TRY(number("Created"));
    record.expiry_handle = TRY(text("Handle"));
    return record;
  }

 private:
  explicit Line(JsonObject json) : json_(std::move(json)) {}

  template <typename T>
  static Result<T> there(std::string_view key, std::optional<T> value) {
    if (value) return *std::move(value);
    return fail(ErrorKind::invalid, fmt::format("{} is missing", key));
  }

  JsonObject json_;
};

Result<Change> change_of(std::string_view text) {
  Line line = TRY(Line::parse(text));
  const Revision revision = TRY(line.number("Revision"));
  // A return within an initializer leaks what has been made of it before.
  if (line.has("Key")) {
    Record record = TRY(line.record());
    return RecordPut{std::move(record)};
  }
  if (!line.has("Gone") && !line.has("Config")) return ConfigGone{revision};
  std::string what = TRY(line.text(line.has("Gone") ? "Gone" : "Config"));
  if (line.has("Gone")) return RecordGone{std::move(what), revision};
  return ConfigPut{{std::move(what), revision}};
}

// "10.5.52.0-24 17 12 e {...}": the key, the revisions of its last change and of its creation, "e"
// if it expires and "r" for a reservation, and the value.
void append_record(std::string& text, const ListedLease& lease) {
  fmt::format_to(std::back_inserter(text), "{} {} {} {} {}\n", lease.key(), lease.revision,
                 lease.created, lease.expires ? 'e' : 'r',
                 encode_lease_value(lease.lease->attributes));
}

Result<Record> record_of(std::string_view line) {
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return fail(ErrorKind::invalid, "a record is incomplete");
    word = line.substr(0, space);
    line.remove_prefix(space + 1);
  }
  const auto revision = parse_decimal<Revision>(words[1]);
  const auto created = parse_decimal<Revision>(words[2]);
  const bool expires = words[3] == "e";
  if (!revision || !created || (!expires && words[3] != "r")) {
    return fail(ErrorKind::invalid, "a record has no revision");
  }
  return Record{.key = std::string(words[0]),
                .value = std::string(line),
                .revision = *revision,
                .expiry_handle = expires ? kUnknownHandle : "",
                .created = *created};
}

// Cuts the next line off.
Result<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return fail(ErrorKind::invalid, "it ends too early");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<KeptState> state_of(Line& header) {
  if (TRY(header.number("Version")) != kFormat) {
    return fail(ErrorKind::invalid, "it is of another release");
  }
  KeptState state;
  state.store = TRY(header.text("Store"));
  state.history_name = TRY(header.text("History"));
  const std::string node = TRY(header.text("NodeID"));
  state.node = TRY(decode_node_id(node));
  state.saved.boot = TRY(header.text("Boot"));
  state.saved.since_boot = TimePoint(nanoseconds(TRY(header.number("SinceBoot"))));
  state.saved.wall = std::chrono::sys_seconds(seconds(TRY(header.number("Time", kLatestTime))));
  state.saved.by_server = TRY(header.yes("TimeOfServer"));
  state.saved.by_hardware = TRY(header.yes("TimeOfHardware"));
  state.config.text = TRY(header.text("Config"));
  state.config.revision = TRY(header.number("ConfigRevision"));
  state.lease.record = TRY(header.record());
  if (header.has("Ends")) state.lease.ends = TimePoint(nanoseconds(TRY(header.number("Ends"))));
  state.lease.life = nanoseconds(TRY(header.number("Life")));
  if (state.lease.record.expires() != (state.lease.ends != kNever)) {
    return fail(ErrorKind::invalid, "it does not say when the lease of this host ends");
  }
  return state;
}

// True if one source says that both times are right. A hardware clock that is always slow agrees
// with the time that was set from it.
bool are_comparable(const HostClock& saved, const HostClock& now) {
  return (saved.by_server && now.by_server) || (saved.by_hardware && now.by_hardware);
}

}  // namespace

std::string in_utc(std::chrono::sys_seconds time) {
  return fmt::format("{:%F %T} UTC", time);
}

std::string encode_kept_state(const KeptState& state, std::span<const ListedLease> leases) {
  std::string text = line_of(header_of(state, leases.size()));
  for (const Change& change : state.history)
    text += line_of(json_of(change));
  for (const ListedLease& lease : leases)
    append_record(text, lease);
  return text;
}

Result<RestoredState> decode_kept_state(std::string_view text) {
  const std::string_view first = TRY(take_line(text));
  Line header = TRY(Line::parse(first));
  RestoredState restored;
  restored.state = TRY(state_of(header));
  for (std::int64_t left = TRY(header.number("Changes")); left > 0; --left) {
    const std::string_view line = TRY(take_line(text));
    restored.state.history.push_back(TRY(change_of(line)));
  }
  Snapshot& snapshot = restored.snapshot;
  for (std::int64_t left = TRY(header.number("Records")); left > 0; --left) {
    const std::string_view line = TRY(take_line(text));
    snapshot.records.push_back(TRY(record_of(line)));
  }
  if (!text.empty()) return fail(ErrorKind::invalid, "it is longer than it says");
  std::ranges::sort(snapshot.records, {}, &Record::key);
  const KeptState& state = restored.state;
  apply({RecordPut{state.lease.record}, ConfigPut{state.config}}, snapshot);
  return restored;
}

Result<TimePoint> end_of_kept_lease(const KeptState& kept, const HostClock& now) {
  if (kept.lease.ends == kNever) return kNever;
  const HostClock& saved = kept.saved;
  const Duration left = kept.lease.ends - saved.since_boot;  // when it was kept
  const auto wall_end = saved.wall + std::chrono::floor<seconds>(left);
  const auto ended = [&] {
    return fail(ErrorKind::conflict,
                fmt::format("the lease that this host had ends at {}, so it may be another's now",
                            in_utc(wall_end)));
  };
  const bool same_boot =
      !now.boot.empty() && now.boot == saved.boot && now.since_boot >= saved.since_boot;
  if (same_boot) {
    if (now.since_boot >= kept.lease.ends) return ended();
    if (are_comparable(saved, now) && now.wall >= wall_end) return ended();
    return kept.lease.ends;
  }
  if (!saved.is_right()) {
    return fail(ErrorKind::conflict,
                "this host has booted since, and its clock may have been wrong before, so nobody "
                "knows whether its lease has ended");
  }
  if (!are_comparable(saved, now)) {
    return fail(
        ErrorKind::unavailable,
        "this host has booted since, and its clock may be wrong, so it is not known whether "
        "its lease has ended");
  }
  if (now.wall < saved.wall) {
    return fail(
        ErrorKind::unavailable,
        fmt::format("the clock of this host shows a time before {}, when its state was kept",
                    in_utc(saved.wall)));
  }
  // Each of the two times may be wrong by so much, and both are rounded down to seconds.
  const auto sure_left = wall_end - now.wall - 2 * kClockError - seconds(1);
  if (sure_left <= seconds(0)) return ended();
  return now.since_boot + sure_left;
}

}  // namespace flannel
