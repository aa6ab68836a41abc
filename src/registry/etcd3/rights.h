// SPDX-License-Identifier: Apache-2.0
// Which right of etcd's a role lacks, in the words of the command that grants it.
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

// With the command, if etcd's answer was that the role lacks a right, else as it was.
Error naming_right(Error error, const EtcdRight& right);
// Whether it was.
bool lacks_right(const Error& error);

}  // namespace flannel
