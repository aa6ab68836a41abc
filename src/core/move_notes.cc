// SPDX-License-Identifier: Apache-2.0
#include "core/move_notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse.h"
#include "core/go_json.h"

namespace flannel {
namespace {

constexpr std::string_view kMovedTo = "MovedTo";
constexpr std::string_view kMovedFrom = "MovedFrom";
constexpr std::size_t kLongestId = 32;

Result<std::string> read_id(JsonObject& note) {
  const std::string id = TRY(note.string("Id")).value_or("");
  const bool well_formed = !id.empty() && id.size() <= kLongestId &&
                           id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (well_formed) return id;
  return note.refuse("Id",
                     fmt::format("must be 1 to {} lower-case hexadecimal digits", kLongestId));
}

Result<StoreAddress> read_store(JsonObject& note) {
  const auto store = TRY(note.parsed<StoreAddress>("Store"));
  if (!store) return note.refuse("Store", "is missing");
  return *store;
}

Result<std::optional<MoveNote>> read_note(JsonObject& config, std::string_view key) {
  const auto text = config.json(key);
  if (!text || *text == "null") return std::nullopt;
  if (!text->starts_with('{')) return config.refuse(key, "must be an object");
  auto note = TRY(JsonObject::parse(*text, std::string(key)));
  MoveNote read;  // not initialised in one go: g++ 12 forgets members when TRY returns in between
  read.id = TRY(read_id(note));
  read.store = TRY(read_store(note));
  read.retired = TRY(note.boolean("Retired")).value_or(false);
  return read;
}

std::string text_of(const MoveNote& note) {
  return fmt::format(R"({{"Id": {}, "Store": {}{}}})", json_quote(note.id),
                     json_quote(to_string(note.store)), note.retired ? R"(, "Retired": true)" : "");
}

}  // namespace

Result<MoveNotes> read_move_notes(std::string_view config) {
  JsonObject json = TRY(JsonObject::parse(config, "the network config"));
  MoveNotes notes;
  notes.to = TRY(read_note(json, kMovedTo));
  notes.from = TRY(read_note(json, kMovedFrom));
  return notes;
}

Result<std::string> with_move_notes(std::string_view config, const MoveNotes& notes) {
  JsonObject json = TRY(JsonObject::parse(config, "the network config"));
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += fmt::format("{}\n  {}: {}", text.empty() ? "{" : ",", json_quote(name), value);
  };
  for (const std::string& name : json.names()) {
    if (equal_ignoring_case(name, kMovedTo) || equal_ignoring_case(name, kMovedFrom)) continue;
    if (json.is_repeated(name)) return json.refuse(name, "is there more than once");
    add(name, *json.json(name));
  }
  if (notes.to) add(kMovedTo, text_of(*notes.to));
  if (notes.from) add(kMovedFrom, text_of(*notes.from));
  return text.empty() ? "{}" : text + "\n}";
}

std::string with_copy_mark(std::string_view value, std::string_view id) {
  const auto end = value.rfind('}');
  const std::string_view before = trim(value.substr(0, end));
  return fmt::format("{}{}\"{}\":{}}}", before, before.ends_with('{') ? "" : ",", kCopiedFrom,
                     json_quote(id));
}

bool has_copy_mark(std::string_view value) {
  // Most records have none, and parsing costs more than searching.
  if (value.find(kCopiedFrom) == std::string_view::npos) return false;
  const auto json = JsonObject::parse(value, "the lease");
  return json && json->has(kCopiedFrom);
}

}  // namespace flannel
