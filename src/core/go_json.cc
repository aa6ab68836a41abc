// SPDX-License-Identifier: Apache-2.0
#include "core/go_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "base/parse.h"
#include "base/printable.h"
#include "base/redaction.h"
#include "core/json_mistake.h"

namespace flannel {
namespace {

// Only so many bytes of a key are compared with the known keys.
constexpr std::size_t kLongestKey = 64;

void append_quoted(std::string& json, std::string_view text) {
  json += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        json += "\\\"";
        break;
      case '\\':
        json += "\\\\";
        break;
      case '\n':
        json += "\\n";
        break;
      case '\r':
        json += "\\r";
        break;
      case '\t':
        json += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          json += fmt::format("\\u{:04x}", c);
        } else {
          json += c;
        }
    }
  }
  json += '"';
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + 2);
  append_quoted(quoted, text);
  return quoted;
}

// Writes the values of the outermost object as compact text while the parser reads them. Like the
// parser it has its own stack on the heap, so nesting uses no stack of the thread.
class JsonObject::Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(std::vector<Member>& members) : members_(members) { members_.reserve(8); }

  bool null() override { return scalar(Kind::null, "null"); }
  bool boolean(bool value) override { return scalar(Kind::boolean, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return scalar(Kind::number, fmt::to_string(value)) && whole(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!scalar(Kind::number, fmt::to_string(value))) return false;
    return !std::in_range<std::int64_t>(value) || whole(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return scalar(Kind::number, text);
  }
  bool string(string_t& value) override {
    if (!begin_scalar(Kind::string)) return false;
    append_quoted(members_.back().json, value);
    if (depth_ == 1) members_.back().string = std::move(value);
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open('{'); }
  bool start_array(std::size_t) override { return open('['); }
  bool end_object() override { return close('}'); }
  bool end_array() override { return close(']'); }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      members_.emplace_back().name = std::move(name);
    } else {
      begin_value();
      append_quoted(members_.back().json, name);
      members_.back().json += ':';
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    stop_ = {position, token, error.what()};
    return false;
  }

  bool not_an_object() const { return not_an_object_; }
  bool too_deep() const { return depth_ > kMaxJsonDepth; }
  const JsonStop& stop() const { return stop_; }

 private:
  bool begin_scalar(Kind kind) {
    if (depth_ == 0) return !(not_an_object_ = true);
    if (depth_ == 1) members_.back().kind = kind;
    begin_value();
    return true;
  }
  bool scalar(Kind kind, std::string_view text) {
    if (!begin_scalar(kind)) return false;
    members_.back().json += text;
    return true;
  }
  bool whole(std::int64_t value) {
    if (depth_ == 1) members_.back().integer = value;
    return true;
  }
  bool open(char bracket) {
    if (depth_ == 0 && bracket == '[') return !(not_an_object_ = true);
    if (++depth_ > kMaxJsonDepth) return false;
    if (depth_ == 1) return true;
    if (depth_ == 2) members_.back().kind = Kind::structure;
    begin_value();
    members_.back().json += bracket;
    return true;
  }
  bool close(char bracket) {
    if (--depth_ >= 1) members_.back().json += bracket;
    return true;
  }
  // The last character of compact text shows whether another value came before.
  void begin_value() {
    std::string& json = members_.back().json;
    if (!json.empty() && json.back() != '{' && json.back() != '[' && json.back() != ':') {
      json += ',';
    }
  }

  std::vector<Member>& members_;
  std::size_t depth_ = 0;
  JsonStop stop_;
  bool not_an_object_ = false;
};

Result<JsonObject> JsonObject::parse(std::string_view text, std::string what) {
  const auto bad = [&](std::string why) {
    return fail(ErrorKind::invalid, fmt::format("{}: {}", what, why));
  };
  if (text.size() > kMaxJsonText) {
    return bad(fmt::format("{} bytes, more than {}", text.size(), kMaxJsonText));
  }
  // The parser stops at a NUL and skips a byte order mark; Go accepts neither.
  if (std::string mistake = json_encoding_mistake(text); !mistake.empty()) {
    return bad(std::move(mistake));
  }

  JsonObject object(what);
  Builder builder(object.members_);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return object;
  if (builder.not_an_object()) {
    return bad(std::string("must be a JSON object, like {\"name\": value}") +
               (trim(text).starts_with('"') ? "; the quotes around it must go" : ""));
  }
  if (builder.too_deep()) return bad(fmt::format("nested deeper than {}", kMaxJsonDepth));
  return bad(json_mistake(text, builder.stop()));
}

template <typename Read>
Result<void> JsonObject::each(std::string_view key, std::string_view rule, Kind wanted, Read read) {
  asked_.emplace_back(key);
  for (Member& member : members_) {
    if (!equal_ignoring_case(member.name, key)) continue;
    member.asked = true;
    if (member.kind == Kind::null || read(member)) continue;
    return refuse(key, member, std::string(rule).append(quotes_hint(member, wanted)));
  }
  return {};
}

// The hint for a value that would have the right kind with quotes, or without them.
std::string_view JsonObject::quotes_hint(const Member& member, Kind wanted) {
  if (wanted == Kind::string) {
    return member.kind == Kind::number || member.kind == Kind::boolean ? ", in double quotes" : "";
  }
  if (member.kind != Kind::string) return "";
  const std::string_view text = trim(member.string);
  const bool inside = wanted == Kind::boolean
                          ? equal_ignoring_case(text, "true") || equal_ignoring_case(text, "false")
                          : parse_decimal<std::uint64_t>(text).has_value();
  return inside ? ", without quotes" : "";
}

Result<std::optional<std::string>> JsonObject::string(std::string_view key) {
  std::optional<std::string> value;
  TRY(each(key, "must be a string", Kind::string, [&](const Member& member) {
    value = member.string;
    return member.kind == Kind::string;
  }));
  return value;
}

Result<std::optional<bool>> JsonObject::boolean(std::string_view key) {
  std::optional<bool> value;
  TRY(each(key, "must be true or false", Kind::boolean, [&](const Member& member) {
    value = member.json == "true";
    return member.kind == Kind::boolean;
  }));
  return value;
}

Result<std::optional<std::int64_t>> JsonObject::integer(std::string_view key, std::int64_t min,
                                                        std::int64_t max) {
  std::optional<std::int64_t> value;
  TRY(each(key, "must be a whole number", Kind::number, [&](const Member& member) {
    value = member.integer;
    return value.has_value();
  }));
  if (value && (*value < min || *value > max)) {
    return refuse(key, fmt::format("must be from {} to {}", min, max));
  }
  return value;
}

std::optional<std::string> JsonObject::json(std::string_view key) {
  std::optional<std::string> value;
  asked_.emplace_back(key);
  for (Member& member : members_) {
    if (!equal_ignoring_case(member.name, key)) continue;
    member.asked = true;
    value = member.json;
  }
  return value;
}

bool JsonObject::is_null(std::string_view key) const {
  const Member* member = find_last(key);
  return member != nullptr && member->kind == Kind::null;
}

std::vector<std::string> JsonObject::names() const {
  std::vector<std::string> names;
  for (const Member& member : members_)
    names.push_back(member.name);
  return names;
}

std::vector<std::string> JsonObject::unknown_keys() const {
  std::vector<std::string> names;
  for (const Member& member : members_) {
    if (!member.asked) names.push_back(member.name);
  }
  return names;
}

bool JsonObject::is_repeated(std::string_view key) const {
  return std::ranges::count_if(members_, [&](const Member& member) {
           return equal_ignoring_case(member.name, key);
         }) > 1;
}

std::optional<std::string> JsonObject::meant_by(std::string_view name) const {
  return nearest_key(name, asked_);
}

std::optional<std::string> nearest_key(std::string_view typed, std::span<const std::string> known) {
  std::vector<std::string> lowered;
  for (const std::string& key : known)
    lowered.push_back(to_lower(key));
  const auto found = nearest(to_lower(trim(typed.substr(0, kLongestKey))), lowered);
  if (!found) return std::nullopt;
  return known[static_cast<std::size_t>(std::ranges::find(lowered, *found) - lowered.begin())];
}

const JsonObject::Member* JsonObject::find_last(std::string_view key) const {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (equal_ignoring_case(member->name, key)) return &*member;
  }
  return nullptr;
}

Failure JsonObject::refuse(std::string_view key, std::string_view rule) const {
  const Member* member = find_last(key);
  if (member != nullptr) return refuse(key, *member, rule);
  return fail(ErrorKind::invalid, fmt::format("{} in {}: {}", key, what_, rule));
}

Failure JsonObject::refuse(std::string_view key, const Member& member,
                           std::string_view rule) const {
  return fail(ErrorKind::invalid,
              fmt::format("{} {} in {}: {}", key,
                          names_secret(key) ? kHidden : shortened(member.json), what_, rule));
}

}  // namespace flannel
