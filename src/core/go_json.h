// SPDX-License-Identifier: Apache-2.0
// Reads JSON objects by the rules of Go's encoding/json, on which operators and other flannel
// releases rely: member names match in any (ASCII) case, the last of several members is used, null
// means the default, types are strict (no "24" for 24), and only white space may follow the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flannel {

// Longer texts and deeper nesting are refused. etcd itself limits a value to 1.5 MiB.
inline constexpr std::size_t kMaxJsonText = 1 << 20;
inline constexpr std::size_t kMaxJsonDepth = 64;

// A string as JSON text, with quotes. It is not HTML-escaped: see encode_lease_value.
std::string json_quote(std::string_view text);

// One parsed object. A member that is an object or array is stored as compact JSON text (member
// order, duplicates and numbers as written); parse that text to read it.
class JsonObject {
 public:
  // `what` is the name of the text in errors: "the network config". All errors are
  // ErrorKind::invalid.
  static Result<JsonObject> parse(std::string_view text, std::string what);

  // The member `key`; nullopt if it is absent or null. An error names key, value and rule:
  // `SubnetLen "24" in the network config: must be a whole number`.
  Result<std::optional<std::string>> string(std::string_view key);
  Result<std::optional<bool>> boolean(std::string_view key);
  Result<std::optional<std::int64_t>> integer(
      std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  // The member `key` of any kind, also null, as compact JSON text; nullopt if it is absent.
  std::optional<std::string> json(std::string_view key);

  // A string that T::parse(text, more...) can read: IpAddress, IpPrefix, Mac ... Null is an error,
  // as in Go.
  template <typename T, typename... More>
  Result<std::optional<T>> parsed(std::string_view key, More... more);

  bool has(std::string_view key) const { return find_last(key) != nullptr; }
  bool is_null(std::string_view key) const;

  // Names of all members, in the order of the text.
  std::vector<std::string> names() const;
  // Names of the members that no getter has read, in the order of the text.
  std::vector<std::string> unknown_keys() const;

  // True if several members have this name, in any case; the last one is used.
  bool is_repeated(std::string_view key) const;
  // The key, among those that a getter has read, for which `name` is most likely a misspelling.
  std::optional<std::string> meant_by(std::string_view name) const;

  // The error for a rule that the getters cannot check: `<key> <value> in <what>: <rule>`.
  Failure refuse(std::string_view key, std::string_view rule) const;

 private:
  enum class Kind { null, boolean, number, string, structure };
  struct Member {
    std::string name;
    Kind kind = Kind::null;
    std::string json;                     // compact text of the value
    std::string string;                   // decoded; kind string only
    std::optional<std::int64_t> integer;  // kind number; only if whole and in range
    bool asked = false;
  };
  class Builder;  // receives the parser's events

  explicit JsonObject(std::string what) : what_(std::move(what)) {}
  // Calls read(member) for each member named `key` that is not null, in order. The first false is
  // an error for that member with the text `rule`, and a hint if quotes give it another kind than
  // `wanted`.
  template <typename Read>
  Result<void> each(std::string_view key, std::string_view rule, Kind wanted, Read read);
  static std::string_view quotes_hint(const Member& member, Kind wanted);
  Failure refuse(std::string_view key, const Member& member, std::string_view rule) const;
  const Member* find_last(std::string_view key) const;

  std::string what_;
  std::vector<Member> members_;
  std::vector<std::string> asked_;
};

// The key of `known` for which `typed`, in any case, is most likely a misspelling.
std::optional<std::string> nearest_key(std::string_view typed, std::span<const std::string> known);

template <typename T, typename... More>
Result<std::optional<T>> JsonObject::parsed(std::string_view key, More... more) {
  const std::optional<std::string> text = TRY(string(key));
  if (is_null(key)) return refuse(key, "must not be null");
  if (!text) return std::nullopt;
  Result<T> value = T::parse(*text, more...);
  if (!value) return refuse(key, value.error().text);
  return *std::move(value);
}

}  // namespace flannel
