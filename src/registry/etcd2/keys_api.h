// SPDX-License-Identifier: Apache-2.0
// What the keys API of etcd v2 says, as values. Format: docs/etcd-keys.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

struct KeysNode {
  std::string key = {};  // "/coreos.com/network/config"
  std::string value = {};
  bool dir = false;
  bool expires = false;              // it has a TTL
  std::int64_t created = 0;          // index of its first write, kept by conditional ones
  std::int64_t modified = 0;         // index of the last change
  std::vector<KeysNode> nodes = {};  // none where a stranger has gone deeper than kMostParts
};

// So many parts of a key below the directory of the records are looked at; ours have one.
inline constexpr int kMostParts = 8;

// The answer to a read or a write, and an event.
struct KeysAnswer {
  std::string action;  // "get", "set", "compareAndSwap", "expire" ...
  KeysNode node;
};

// Unknown members are ignored; members of another type than they should have are an error.
Result<KeysAnswer> decode_keys_answer(std::string_view json);

// The codes that mean something to us.
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

// Whether an etcd that gives this answer to GET /version knows refresh=true, which came with 2.3.
// An older one would ignore it, and store an empty value.
bool knows_refresh(std::string_view version_json);
// Whether it is from before etcd 3, and has no v3 API.
bool is_before_v3(std::string_view version_json);

}  // namespace flannel
