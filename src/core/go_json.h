// SPDX-License-Identifier: Apache-2.0
// JSON objects read with the habits of Go's encoding/json, on which operators and other flannel
// releases rely: member names in any (ASCII) case, the last of several wins, null leaves the
// default, types are strict (no "24" for 24), nothing but white space after the object.
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

// Longer texts and deeper nesting are refused. etcd's own limit for one value is 1.5 MiB.
inline constexpr std::size_t kMaxJsonText = 1 << 20;
inline constexpr std::size_t kMaxJsonDepth = 64;

// A string as JSON text, with its quotes. Not HTML-escaped: see encode_lease_value.
std::string json_quote(std::string_view text);

// One parsed object. Values of members that are objects or arrays are kept as compact JSON text
// (member order, duplicates and numbers as written); parse them again to look inside.
class JsonObject {
 public:
  // `what` names the text in errors: "the network config". Every error is ErrorKind::invalid.
  static Result<JsonObject> parse(std::string_view text, std::string what);

  // The member `key`; nothing if it is absent or null. An error names key, value and rule:
  // `SubnetLen "24" in the network config: must be a whole number`.
  Result<std::optional<std::string>> string(std::string_view key);
  Result<std::optional<bool>> boolean(std::string_view key);
  Result<std::optional<std::int64_t>> integer(
      std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  // Any value, also null, as compact JSON text.
  std::optional<std::string> json(std::string_view key);

  // A string that T::parse reads: Ip4, Cidr4, Mac ... Null is refused, as Go refuses it there.
  template <typename T>
  Result<std::optional<T>> parsed(std::string_view key);

  bool has(std::string_view key) const { return find_last(key) != nullptr; }
  bool is_null(std::string_view key) const;

  // Names of all members, in the order of the text.
  std::vector<std::string> names() const;
  // Names of the members that no getter has asked for, in the order of the text.
  std::vector<std::string> unknown_keys() const;

  // More than one member has this name, in any case; the last one counts.
  bool is_repeated(std::string_view key) const;
  // The key, of those that a getter has asked for, that was most likely meant by `name`.
  std::optional<std::string> meant_by(std::string_view name) const;

  // For rules that the getters cannot know: `<key> <value> in <what>: <rule>`.
  Failure refuse(std::string_view key, std::string_view rule) const;

 private:
  enum class Kind { null, boolean, number, string, structure };
  struct Member {
    std::string name;
    Kind kind = Kind::null;
    std::string json;                     // compact text of the value
    std::string string;                   // decoded; kind string only
    std::optional<std::int64_t> integer;  // kind number, if whole and in range
    bool asked = false;
  };
  class Builder;  // receives the parser's events

  explicit JsonObject(std::string what) : what_(std::move(what)) {}
  // Calls read(member) for each member called `key` but those that are null, in order; the first
  // false refuses that member by `rule`, with a word about quotes if these make it no `wanted`.
  template <typename Read>
  Result<void> each(std::string_view key, std::string_view rule, Kind wanted, Read read);
  static std::string_view quotes_hint(const Member& member, Kind wanted);
  Failure refuse(std::string_view key, const Member& member, std::string_view rule) const;
  const Member* find_last(std::string_view key) const;

  std::string what_;
  std::vector<Member> members_;
  std::vector<std::string> asked_;
};

// The one of `known` that somebody who typed `typed`, in any case, most likely meant.
std::optional<std::string> nearest_key(std::string_view typed, std::span<const std::string> known);

template <typename T>
Result<std::optional<T>> JsonObject::parsed(std::string_view key) {
  const std::optional<std::string> text = TRY(string(key));
  if (is_null(key)) return refuse(key, "must not be null");
  if (!text) return std::nullopt;
  Result<T> value = T::parse(*text);
  if (!value) return refuse(key, value.error().text);
  return *std::move(value);
}

}  // namespace flannel
