// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "core/subnet_env.h"
#include "net/address.h"

namespace flannel {

// The file of --subnet-file, docs/subnet-env.md. What is worth a line in the log is logged here,
// but for failures.
class SubnetFile {
 public:
  explicit SubnetFile(std::string path) : path_(std::move(path)) {}

  // The subnet of an earlier run; nothing if the file has none, or cannot be read.
  std::optional<Cidr4> previous_subnet() const;
  // Does nothing if the last one written is equal.
  Result<void> write(const SubnetEnv& env);

 private:
  const std::string path_;
  std::optional<SubnetEnv> written_;
  bool in_place_ = false;  // it was, and that was said
};

}  // namespace flannel
