// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

// Which network of which store, without secrets. Operators write it, and notes in a store have it:
//   etcd3:http://192.0.2.7:2379,http://192.0.2.8:2379     etcd2:… and consul:… alike
//   sqlite:/var/lib/flannel/leases.db
//   etcd3:http://192.0.2.7:2379#/other/prefix             the default is /coreos.com/network
struct StoreAddress {
  enum class Kind { etcd2, etcd3, consul, sqlite, memory };

  Kind kind = Kind::etcd3;
  std::vector<std::string> endpoints = {};  // URLs; empty for sqlite and memory
  std::string path = {};                    // absolute; empty unless the kind is sqlite
  std::string prefix = "/coreos.com/network";

  static constexpr std::size_t kLongest = 2048;  // bytes of the whole text
  static constexpr std::size_t kMostEndpoints = 32;

  // Checks the form; whether the endpoints can be used is known when the store is opened. All
  // errors are ErrorKind::invalid.
  static Result<StoreAddress> parse(std::string_view text);

  bool operator==(const StoreAddress&) const = default;
};

std::string_view to_string(StoreAddress::Kind kind);
// Returns a text that parse() reads as the same address.
std::string to_string(const StoreAddress& address);

}  // namespace flannel
