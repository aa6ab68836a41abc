// SPDX-License-Identifier: Apache-2.0
// Implements peers: the other hosts as the daemon of this host knows them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "base/printable.h"
#include "core/json_text.h"
#include "ctl/bytes_text.h"
#include "ctl/command.h"
#include "ctl/control_client.h"
#include "ctl/lease_life.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortNode = 8;  // hexadecimal digits of a node id in a table

// Returns a member that may be missing or null, as text.
std::string member_text(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || member->is_null()) return "-";
  return member->is_string() ? member->get<std::string>() : member->dump();
}

std::string joined(const Json& object, const char* name) {
  std::string text;
  for (const Json& one : object.value(name, Json::array()))
    text += (text.empty() ? "" : ",") + (one.is_string() ? one.get<std::string>() : one.dump());
  return text.empty() ? "-" : text;
}

std::string address_of(const Json& peer) {
  const std::string v4 = member_text(peer, "public_ip");
  const std::string v6 = member_text(peer, "public_ipv6");
  return v6 == "-" ? v4 : v4 == "-" ? v6 : v4 + "," + v6;
}

// A number that may be missing or null; nullopt then.
std::optional<double> number_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_number()) return std::nullopt;
  return member->get<double>();
}

std::string rtt_of(const Json& peer) {
  const auto rtt = number_of(peer, "rtt_us");
  return rtt ? fmt::format("{:.2f} ms", *rtt / 1000) : "-";
}

std::string loss_of(const Json& peer) {
  const auto loss = number_of(peer, "loss");
  return loss ? fmt::format("{:.0f} %", *loss * 100) : "-";
}

std::string last_heard_of(const Json& peer) {
  const auto time = number_of(peer, "last_heard_s");
  if (!time) return "-";
  return duration_text(std::chrono::seconds(static_cast<std::int64_t>(*time))) + " ago";
}

std::string bytes_of(const Json& peer, const char* name) {
  const auto bytes = number_of(peer, name);
  return bytes ? bytes_text(static_cast<std::uint64_t>(*bytes)) : "-";
}

struct Column {
  std::string_view name;  // for --sort; the heading is in capital letters
  std::string_view heading;
  std::string (*text)(const Json& peer);
  const char* number = nullptr;  // the member by which rows are sorted; null: by the text
};

constexpr auto kColumns = std::to_array<Column>({
    {"node", "NODE",
     [](const Json& peer) { return member_text(peer, "node_id").substr(0, kShortNode); }},
    {"subnet", "SUBNET", [](const Json& peer) { return joined(peer, "subnets"); }},
    {"public-ip", "PUBLIC-IP", address_of},
    {"backend", "BACKEND", [](const Json& peer) { return member_text(peer, "backend"); }},
    {"mtu", "MTU", [](const Json& peer) { return member_text(peer, "mtu"); }, "mtu"},
    {"state", "STATE", [](const Json& peer) { return member_text(peer, "state"); }},
    {"rtt", "RTT", rtt_of, "rtt_us"},
    {"loss", "LOSS", loss_of, "loss"},
    {"path-mtu", "PATH-MTU", [](const Json& peer) { return member_text(peer, "path_mtu"); },
     "path_mtu"},
    {"last-heard", "LAST-HEARD", last_heard_of, "last_heard_s"},
    {"sent", "SENT", [](const Json& peer) { return bytes_of(peer, "bytes_sent"); }, "bytes_sent"},
    {"received", "RECEIVED", [](const Json& peer) { return bytes_of(peer, "bytes_received"); },
     "bytes_received"},
});

// Records that are not used are rows of the table, too.
Json rows_of(const Json& answer) {
  Json rows = answer.value("peers", Json::array());
  for (const Json& record : answer.value("quarantined", Json::array())) {
    rows.push_back({{"subnets", {member_text(record, "key")}},
                    {"state", "quarantined"},
                    {"why", member_text(record, "why")}});
  }
  return rows;
}

void keep_state(Json& rows, const std::string& state) {
  Json kept = Json::array();
  for (Json& row : rows) {
    if (member_text(row, "state") == state) kept.push_back(std::move(row));
  }
  rows = std::move(kept);
}

// What is not known comes last.
void sort_by(Json& rows, const Column& column) {
  std::stable_sort(rows.begin(), rows.end(), [&column](const Json& one, const Json& other) {
    if (column.number == nullptr) return column.text(one) < column.text(other);
    const auto a = number_of(one, column.number), b = number_of(other, column.number);
    return a && b ? *a < *b : a.has_value() && !b.has_value();
  });
}

Result<const Column*> find_column(const std::string& name) {
  const auto found = std::ranges::find(kColumns, name, &Column::name);
  if (found != kColumns.end()) return &*found;
  std::string names;
  for (const Column& column : kColumns)
    names += (names.empty() ? "" : ", ") + std::string(column.name);
  return fail(ErrorKind::invalid, in_quotes(name) + " is none of " + names);
}

std::string table(const Json& rows) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : kColumns)
    lines[0].emplace_back(column.heading);
  lines[0].emplace_back("WHY");
  for (const Json& row : rows) {
    auto& line = lines.emplace_back();
    for (const Column& column : kColumns)
      line.push_back(column.text(row));
    if (row.contains("why")) line.push_back(member_text(row, "why"));
  }
  return text_table(lines);
}

}  // namespace

Result<void> check_peers_sort(const std::string& column) {
  TRY(find_column(column));
  return {};
}

Result<void> run_peers(const CtlOptions& options, const Terminal& terminal) {
  const Column* column = options.sort.empty() ? nullptr : TRY(find_column(options.sort));
  const Json answer = TRY(ask_daemon(options, {"GET", "/v1/peers"}));
  if (options.json) {
    terminal.out << json_text(answer);
    return {};
  }
  Json rows = rows_of(answer);
  if (!options.state.empty()) keep_state(rows, options.state);
  if (column != nullptr) sort_by(rows, *column);
  terminal.out << table(rows);
  const std::string more = member_text(answer, "more_quarantined");
  if (more != "-" && more != "0") {
    terminal.out << more << " more records are quarantined; `flannelctl leases --bad` lists them\n";
  }
  return {};
}

}  // namespace flannel
