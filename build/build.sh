#!/usr/bin/env bash
# The tasks of the repository, the same for people and for CI:  build/build.sh TASK...
#   restore      fetch the packages
#   build        compile everything; warnings are errors
#   test         run all tests
#   quickstart   the main job: samples/QuickStart
#   load-test    samples/WebScoring under 64 clients for 30 seconds, its model file replaced ten times
#   bench        throughput of training and scoring; arguments after "bench" go to the benchmark program
#   cluster-bench  an ensemble on threads, on an embedded silo and on one to four silos
#   pack         write the packages to artifacts/
#   site         the API reference and the documents as pages, to artifacts/site; a warning is an error
#   api          write the public members of the packages into src/*/PublicAPI.Unshipped.txt: read the diff
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,11s/^# \{0,1\}//p' build/build.sh; }

[ "$#" -gt 0 ] || { usage; exit 2; }
while [ "$#" -gt 0 ]; do
    task=$1
    shift
    case $task in
        restore) dotnet restore ;;
        build) dotnet build -c Release ;;
        test) dotnet test -c Release ;;
        quickstart) dotnet run -c Release --project samples/QuickStart ;;
        load-test)
            WEBSCORING_LOAD_SECONDS=30 dotnet test -c Release --project tests/MLNetBatchNorm.WebScoring.Tests --filter TestCategory=Load --output Detailed
            ;;
        bench)
            [ "$#" -gt 0 ] || set -- throughput
            dotnet run -c Release --project tests/MLNetBatchNorm.Benchmarks -- "$@"
            exit
            ;;
        cluster-bench)
            dotnet run -c Release --project tests/MLNetBatchNorm.Orleans.Tests -- --measure "$@"
            exit
            ;;
        pack) dotnet pack -c Release --output artifacts ;;
        site)
            dotnet tool restore
            # The reference is read from the built libraries and their documentation.
            for project in src/*/*.csproj; do dotnet build -c Release "$project"; done
            # The pages are made in a copy, with the site's own files at its top: documents link to each other as in the repository.
            rm -rf artifacts/site artifacts/site-source
            mkdir -p artifacts/site-source
            git ls-files -z '*.md' '*.cs' '*.js' '*.sh' docs samples/data .ci LICENSE THIRD-PARTY-NOTICES.txt \
                | xargs -0 cp --parents -t artifacts/site-source
            cp build/site/* artifacts/site-source
            dotnet docfx artifacts/site-source/docfx.json --warningsAsErrors
            ;;
        api)
            for project in src/*/*.csproj; do
                printf '#nullable enable\n' > "$(dirname "$project")/PublicAPI.Unshipped.txt"
                dotnet format analyzers "$project" --diagnostics RS0016 --severity info
            done
            ;;
        *)
            echo "build.sh: no task '$task'" >&2
            usage >&2
            exit 2
            ;;
    esac
done
