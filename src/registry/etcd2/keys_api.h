// SPDX-License-Identifier: Apache-2.0
// The answers of the keys API of etcd v2 as values. docs/etcd-keys.md describes the format.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

struct KeysNode {
  std::string key = {};  // "/coreos.com/network/config"
  std::string value = {};
  bool dir = false;
  bool expires = false;  // the key has a TTL
  // The rest of its TTL; nullopt: none, or not readable.
  std::optional<std::chrono::seconds> left = {};
  std::int64_t created = 0;          // index of the first write; conditional writes keep it
  std::int64_t modified = 0;         // index of the last change
  std::vector<KeysNode> nodes = {};  // empty below the depth kMostParts
};

// Keys are read to this depth below the directory of the records. Our own keys have depth one.
inline constexpr int kMostParts = 8;

// The answer to a read or a write, and an event.
struct KeysAnswer {
  std::string action;  // "get", "set", "compareAndSwap", "expire" ...
  KeysNode node;
};

// Unknown members are ignored; members of another type than they should have are an error.
Result<KeysAnswer> decode_keys_answer(std::string_view json);

// The error codes that this program distinguishes.
namespace keys_error {
inline constexpr int kNotFound = 100;
inline constexpr int kCompareFailed = 101;
inline constexpr int kNotAFile = 102;
inline constexpr int kExists = 105;
inline constexpr int kIndexCleared = 401;
}  // namespace keys_error

struct KeysError {
  int code = 0;
  std::string text;  // "Compare failed [4 != 5]"
};
Result<KeysError> decode_keys_error(std::string_view json);

// True if the etcd that answered GET /version with `version_json` supports refresh=true, which etcd
// 2.3 introduced. An older etcd would ignore it and store an empty value.
bool knows_refresh(std::string_view version_json);
// True if that etcd is older than etcd 3 and has no v3 API.
bool is_before_v3(std::string_view version_json);

}  // namespace flannel
