{
  description = "Contract Data Processor: changes to Soroban contract data as Apache Arrow over Arrow Flight";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      inherit (nixpkgs.lib.importJSON ./package.json) version;

      # npm's packages come by the lock file and the hashes in it: there is no other hash to keep up to date.
      package =
        pkgs:
        pkgs.buildNpmPackage {
          pname = "contract-data-processor";
          inherit version;
          src = self;
          npmDeps = pkgs.importNpmLock { npmRoot = ./.; };
          npmConfigHook = pkgs.importNpmLock.npmConfigHook;
          npmFlags = [ "--ignore-scripts" ]; # the bun of npm does not start on NixOS
          nativeBuildInputs = [ pkgs.bun ];
          buildPhase = ''
            runHook preBuild
            bun --config=bunfig.toml --no-env-file scripts/build.ts
            runHook postBuild
          '';
          installPhase = ''
            runHook preInstall
            install -Dm755 dist/contract-data-processor $out/bin/contract-data-processor
            runHook postInstall
          '';
          dontStrip = true; # the program stands behind the executable's sections
          meta = {
            description = "Streams every change to Soroban contract data on the Stellar network over Arrow Flight";
            license = nixpkgs.lib.licenses.mit;
            mainProgram = "contract-data-processor";
            platforms = systems;
          };
        };

      # `docker load < result`: the binary, authorities and time zones; user 1000 as in deploy/Dockerfile.
      image =
        pkgs:
        pkgs.dockerTools.buildLayeredImage {
          name = "contract-data-processor";
          tag = version;
          contents = [
            (package pkgs)
            pkgs.cacert
            pkgs.tzdata
          ];
          fakeRootCommands = ''
            install -d -o 1000 -g 1000 ./var/lib/contract-data
            install -d -m 1777 ./tmp
          '';
          config = {
            Entrypoint = [ "/bin/contract-data-processor" ];
            Cmd = [ "serve" ];
            User = "1000:1000";
            Env = [
              "DATA_DIR=/var/lib/contract-data"
              "GRPC_ADDRESS=:50054"
              "FLIGHT_ADDRESS=:8816"
              "HEALTH_PORT=8089"
              "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"
              "TZDIR=${pkgs.tzdata}/share/zoneinfo"
            ];
            ExposedPorts = {
              "50054/tcp" = { };
              "8816/tcp" = { };
              "8089/tcp" = { };
            };
            Volumes."/var/lib/contract-data" = { };
            Healthcheck = {
              Test = [
                "CMD"
                "/bin/contract-data-processor"
                "health"
                "--live"
              ];
              Interval = 30000000000; # ns
              Timeout = 10000000000;
              StartPeriod = 10000000000;
            };
          };
        };
    in
    {
      packages = forEachSystem (
        pkgs:
        rec {
          contract-data-processor = package pkgs;
          default = contract-data-processor;
        }
        // nixpkgs.lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux { docker = image pkgs; }
      );

      apps = forEachSystem (pkgs: rec {
        contract-data-processor = {
          type = "app";
          program = "${package pkgs}/bin/contract-data-processor";
          meta.description = "serve, decode, tail and the other commands";
        };
        default = contract-data-processor;
      });

      # `nix develop`: everything that `make run`, `make test` and the benchmarks need. The packages of npm are installed
      # by make, as elsewhere; Bun comes from here, because the binary that npm has does not start on NixOS.
      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.bun
            pkgs.git
            pkgs.gnumake
            pkgs.go
            pkgs.grpcurl
            pkgs.jdk
            pkgs.maven
            pkgs.nodejs_22
            pkgs.postgresql
            pkgs.python3
          ];
          env.BUN = "${pkgs.bun}/bin/bun";
          shellHook = "make --no-print-directory generate";
        };
      });

      checks = forEachSystem (pkgs: {
        # The main job on the ledgers inside the binary.
        demo = pkgs.runCommand "contract-data-processor-demo" { nativeBuildInputs = [ (package pkgs) ]; } ''
          contract-data-processor demo > $out
          grep "7 ledgers, 311 rows" $out
        '';
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-rfc-style);
    };
}
