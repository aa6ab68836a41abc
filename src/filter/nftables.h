// SPDX-License-Identifier: Apache-2.0
// nftables through its text language and libnftables. The library is loaded by the first open(), so
// that a host without rules in nftables does not need it. Loop thread only; a call takes about a
// millisecond.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "filter/netfilter_socket.h"

namespace flannel {

class Nftables {
 public:
  // Acts in the network namespace of the calling thread. ErrorKind::unsupported: the library is not
  // installed.
  static Result<std::unique_ptr<Nftables>> open();
  ~Nftables();
  Nftables(const Nftables&) = delete;
  Nftables& operator=(const Nftables&) = delete;

  // Carries out all commands or none. The error text is that of nft, on one line.
  Result<void> run(const std::string& commands);

  // The names of all tables, such as "ip filter"; cheap, whatever is in them.
  Result<std::vector<std::string>> tables() { return nft_tables(netfilter_); }

  // All rules of the kernel, as "nft -j list ruleset" and as "nft -a list ruleset" print them.
  struct Ruleset {
    std::string json, text;
  };
  Result<Ruleset> list_ruleset();

  // A table as nft lists it: the same text for the same rules, whatever their handles.
  // ErrorKind::not_found: there is no such table.
  Result<std::string> list_table(const std::string& table);

 private:
  struct Library;
  Nftables(std::shared_ptr<const Library> library, void* context, NetlinkSocket netfilter);
  Result<std::string> output_of(const std::string& commands, unsigned flags = 0);

  std::shared_ptr<const Library> library_;
  void* context_;
  NetlinkSocket netfilter_;
};

}  // namespace flannel
