@echo off
rem Starts the command line on Windows, as yuzui does elsewhere; builds it first where it was not built. Untried: nobody has run it yet.
rem java itself reads JDK_JAVA_OPTIONS for more JVM flags.
setlocal
set "HOME_FOLDER=%~dp0"
if "%HOME_FOLDER:~-1%"=="\" set "HOME_FOLDER=%HOME_FOLDER:~0,-1%"
set "TARGET=%HOME_FOLDER%\cli\target"

set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java.exe"
"%JAVA%" -version >nul 2>&1
if errorlevel 1 (
  echo yuzui: needs a JDK 25 or newer; point JAVA_HOME at one, or put it on PATH 1>&2
  exit /b 2
)

if not exist "%TARGET%\yuzui.jar" (
  where mvn >nul 2>&1
  if errorlevel 1 (
    echo yuzui: building needs Maven 3.8 or newer, and there is no mvn on PATH 1>&2
    exit /b 2
  )
  echo yuzui: building, which later starts skip ... 1>&2
  if not exist "%TARGET%" mkdir "%TARGET%"
  call mvn -q -B -f "%HOME_FOLDER%\pom.xml" -pl cli -am -Dmaven.test.skip=true package > "%TARGET%\build.log" 2>&1
  if errorlevel 1 (
    echo yuzui: the build failed; the whole log is %TARGET%\build.log 1>&2
    exit /b 1
  )
)

rem The JVM's defaults but for the heap; with no word on terminals, the streams count as files.
"%JAVA%" "@%TARGET%\jvm.flags" "@%TARGET%\vector.flags" -Xmx2g -XX:+UseSerialGC "-Dyuzui.home=%HOME_FOLDER%" -jar "%TARGET%\yuzui.jar" %*
exit /b %ERRORLEVEL%
