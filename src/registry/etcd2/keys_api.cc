// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd2/keys_api.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/parse.h"
#include "registry/json_members.h"

namespace flannel {
namespace {

using Json = nlohmann::json;

// Below the prefix there is a directory, and in it are the records.
constexpr int kDeepest = 1 + kMostParts;

constexpr std::string_view kWrong = "an answer of etcd is not what the keys API says";

Failure bad(std::string_view what) {
  return Failure(Error{ErrorKind::invalid, std::string(what)}.during(kWrong));
}

// An etcd that has not yet removed a key whose time is over may answer a negative number.
std::optional<std::chrono::seconds> time_left(const Json& node) {
  const auto ttl = node.find("ttl");
  if (ttl == node.end() || !ttl->is_number_integer()) return std::nullopt;
  const auto longest = std::int64_t{std::numeric_limits<std::uint32_t>::max()};
  return std::chrono::seconds(std::clamp(ttl->get<std::int64_t>(), std::int64_t{0}, longest));
}

Result<KeysNode> decode_node(const Json& json, int depth) {
  if (!json.is_object()) return bad("a node is no object");
  KeysNode node;
  node.key = TRY_DURING(text_member(json, "key"), kWrong);
  node.value = TRY_DURING(text_member(json, "value"), kWrong);
  const auto dir = json.find("dir");
  node.dir = dir != json.end() && dir->is_boolean() && dir->get<bool>();
  node.expires = json.contains("expiration") || json.contains("ttl");
  node.left = time_left(json);
  node.created = TRY_DURING(index_member(json, "createdIndex"), kWrong);
  node.modified = TRY_DURING(index_member(json, "modifiedIndex"), kWrong);
  if (const auto nodes = json.find("nodes"); nodes != json.end() && depth < kDeepest) {
    if (!nodes->is_array()) return bad("nodes is no array");
    for (const Json& one : *nodes)
      node.nodes.push_back(TRY(decode_node(one, depth + 1)));
  }
  return node;
}

// "3.4.23" -> 3, 4
std::optional<std::pair<unsigned, unsigned>> parse_version(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() < 2) return std::nullopt;
  const auto major = parse_decimal<unsigned>(parts[0]);
  const auto minor = parse_decimal<unsigned>(parts[1]);
  if (!major || !minor) return std::nullopt;
  return std::pair{*major, *minor};
}

// Returns the version in the answer to GET /version.
std::optional<std::pair<unsigned, unsigned>> version_in(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  // Every member of a cluster applies a write, so the version of the cluster counts.
  for (const char* name : {"etcdcluster", "etcdserver"}) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) continue;
    if (const auto version = parse_version(found->get<std::string>())) return version;
  }
  return std::nullopt;
}

}  // namespace

Result<KeysAnswer> decode_keys_answer(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("no JSON object");
  const auto node = json.find("node");
  if (node == json.end()) return bad("there is no node");
  KeysAnswer answer;
  answer.action = TRY_DURING(text_member(json, "action"), kWrong);
  answer.node = TRY(decode_node(*node, 0));
  return answer;
}

Result<KeysError> decode_keys_error(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("no JSON object");
  const auto code = json.find("errorCode");
  if (code == json.end() || !code->is_number_unsigned() || code->get<std::uint64_t>() > 9999) {
    return bad("errorCode is no code");
  }
  KeysError error{code->get<int>(), TRY_DURING(text_member(json, "message"), kWrong)};
  const std::string cause = TRY_DURING(text_member(json, "cause"), kWrong);
  if (!cause.empty()) error.text += " " + cause;
  return error;
}

bool knows_refresh(std::string_view version_json) {
  const auto version = version_in(version_json);
  return version && *version >= std::pair{2U, 3U};
}

bool is_before_v3(std::string_view version_json) {
  const auto version = version_in(version_json);
  return version && version->first < 3;
}

}  // namespace flannel
