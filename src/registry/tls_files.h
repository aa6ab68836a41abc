// SPDX-License-Identifier: Apache-2.0
// The PEM files of --etcd-keyfile, --etcd-certfile and --etcd-cafile, and of the same flags of
// Consul. They are checked when they are read, so that all stores report the same errors.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/log_once.h"
#include "base/result.h"
#include "http/tls_context.h"

namespace flannel {

// The paths of the files, each empty if not given. `ca` may be a folder of files.
struct TlsFiles {
  std::string key, cert, ca;
  std::string flags = "--etcd-";  // what the flags that name them begin with, for messages
  bool any() const { return !key.empty() || !cert.empty() || !ca.empty(); }
};

// Reads and checks the files. A certificate and its key must be given together; a CA may be given
// alone. Keys with a pass phrase are refused. Errors name the flag, the file and its content.
Result<TlsMaterial> read_tls_files(const TlsFiles& files);

// Returns a warning for each certificate that has expired or is not valid yet.
std::vector<std::string> doubts_about(const TlsMaterial& material, const TlsFiles& files,
                                      std::chrono::system_clock::time_point now);

// Reads the files again while the program runs, because certificates are renewed.
class TlsSource {
 public:
  TlsSource(TlsFiles files, TlsMaterial first)
      : files_(std::move(files)), last_(std::make_shared<const TlsMaterial>(std::move(first))) {}

  // Reads the files and returns their content. If it is unusable, since a file may be half written,
  // returns the last usable content; each reason is logged once.
  std::shared_ptr<const TlsMaterial> now();
  const TlsFiles& files() const { return files_; }

 private:
  TlsFiles files_;
  std::shared_ptr<const TlsMaterial> last_;
  LogOnce unusable_;  // the reasons since the files were last usable
};

}  // namespace flannel
