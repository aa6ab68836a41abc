// SPDX-License-Identifier: Apache-2.0
// Another daemon's process: creates one record in a SQLite store, and says whether it was the one.
//   store_writer PATH PREFIX KEY VALUE      exit status 0: created, 1: was there already, 2: failed
#include <cstdio>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"

int main(int argc, char** argv) {
  using namespace flannel;
  if (argc != 5) return 2;
  PatientLoop loop;
  StoreOptions options;
  options.kind = StoreKind::sqlite;
  options.sqlite_path = argv[1];
  options.prefix = argv[2];
  BlockingRegistry session(open_registry(options, loop.loop()).value(), loop);
  const auto held = session.create(argv[3], argv[4], std::chrono::hours(24));
  if (held) return 0;
  std::fprintf(stderr, "%s\n", held.error().text.c_str());
  return held.error().kind == ErrorKind::exists ? 1 : 2;
}
