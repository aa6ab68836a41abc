// SPDX-License-Identifier: Apache-2.0
// The right that a role of etcd lacks, as arguments of the command that grants it.
#pragma once

#include <string>

#include "base/result.h"

namespace flannel {

// "read /coreos.com/network/config", "--prefix=true readwrite /coreos.com/network/subnets/"
struct EtcdRight {
  std::string text;
};
EtcdRight read_of(const std::string& key);
EtcdRight read_of_all_below(const std::string& prefix);
EtcdRight write_of(const std::string& key);
EtcdRight write_of_all_below(const std::string& prefix);

// Adds the command that grants `right` if `error` says that the role lacks a right; otherwise
// returns `error` unchanged.
Error naming_right(Error error, const EtcdRight& right);
// True if `error` says that the role lacks a right.
bool lacks_right(const Error& error);

}  // namespace flannel
