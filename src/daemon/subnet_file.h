// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "core/subnet_env.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "net/address.h"

namespace flannel {

// The file of --subnet-file, which docs/subnet-env.md describes. Loop thread only.
class SubnetFile {
 public:
  struct Parts {
    Loop& loop;  // must outlive the file
    std::string path;
    // The file could not be written, and is to be tried again: nothing reports that a folder has
    // become writable.
    std::function<void()> on_retry;
  };

  explicit SubnetFile(Parts parts) : parts_(std::move(parts)) {}

  // Writes the file, unless `env` equals what was last written.
  void write(const SubnetEnv& env);
  // Removes the file, also that of an earlier run. A failure is logged.
  void remove();
  // True if the last write did not fail.
  bool is_in_order() const { return failure_.empty(); }
  std::vector<Problem> problems() const;

 private:
  Result<void> try_to_write(const SubnetEnv& env);

  Parts parts_;
  std::optional<SubnetEnv> written_;
  bool in_place_ = false;  // the file was written in place
  std::string failure_;    // of the last write; empty: none
  Timer retry_{parts_.loop, [this] { parts_.on_retry(); }};
};

// Return what the file `path` of an earlier run says: its subnet, nullopt if there is none or it
// cannot be read; and its networks, at most one of each family.
std::optional<SubnetKey> read_previous_subnet(const std::string& path);
std::vector<IpPrefix> read_previous_networks(const std::string& path);

}  // namespace flannel
