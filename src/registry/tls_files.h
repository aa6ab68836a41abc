// SPDX-License-Identifier: Apache-2.0
// The PEM files of --etcd-keyfile, --etcd-certfile and --etcd-cafile: whether they can be used is
// known without a network, and said in the same words by everything that reads them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/log_once.h"
#include "base/result.h"
#include "http/tls_context.h"

namespace flannel {

// Paths; empty: not given.
struct TlsFiles {
  std::string key, cert, ca;
  bool any() const { return !key.empty() || !cert.empty() || !ca.empty(); }
};

// A certificate needs its key and the other way round; a CA may stand alone. Nobody is asked for a
// pass phrase. Errors name the flag and the file, and what is in it instead.
Result<TlsMaterial> read_tls_files(const TlsFiles& files);

// What is odd about files that can be used: certificates that have expired or are not valid yet.
std::vector<std::string> doubts_about(const TlsMaterial& material, const TlsFiles& files,
                                      std::chrono::system_clock::time_point now);

// The files under a running program, which are renewed.
class TlsSource {
 public:
  TlsSource(TlsFiles files, TlsMaterial first)
      : files_(std::move(files)), last_(std::make_shared<const TlsMaterial>(std::move(first))) {}

  // Reads the files again. If they cannot be used, as they may be half written, the last ones that
  // could; why is said in the log, each reason once.
  std::shared_ptr<const TlsMaterial> now();
  const TlsFiles& files() const { return files_; }

 private:
  TlsFiles files_;
  std::shared_ptr<const TlsMaterial> last_;
  LogOnce unusable_;  // since they were good
};

}  // namespace flannel
